//! `shim statusline`: the program of Claude Code's status line. It tells the stack the client's figures, and prints one line
//! on where the session stands, after what a status line that was there before prints.
//!
//! It never stands in the client's way: whatever goes wrong, it ends with exit code 0 and leaves out what it does not know.

mod facts;
mod line;
mod wrapped;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use shim_claude_code::hook_input::Surroundings;
use shim_claude_code::status_line::{self, StatusLine};
use shim_runtime::config::ConfigErrors;

use crate::block_on::block_on;
use crate::config::Config;
use crate::error::CliError;
use crate::global_flags::GlobalFlags;
use crate::hook::stdin;
use crate::output::lines::{Lines, raw};
use crate::output::say;
use facts::Facts;
use line::Look;

/// The word on the command line.
const NAME: &str = "statusline";
const WRAP: &str = "--wrap";
/// All that is asked of the stack is answered within this time, or left out. The client shows an older line meanwhile.
const WITHIN: Duration = Duration::from_millis(300);

/// How the client runs it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Claude Code starts this command itself; `shim install claude-code` writes it into the client's settings. It \
                  ends with exit code 0 whatever happens, and prints nothing about what it does not know."
)]
pub(crate) struct Args {
    /// Run this status line, too, with the same input, and print its output first
    #[arg(long, value_name = "COMMAND")]
    wrap: Option<String>,
}

/// Runs with the configuration of the environment, if that is all that the command line asks for: a client waits for it,
/// and what other commands need first is not made.
pub(crate) fn run_plain(mut words: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    if words.next()? != NAME {
        return None;
    }
    let wrap = match (words.next(), words.next(), words.next()) {
        (None, ..) => None,
        (Some(flag), Some(command), None) if flag == WRAP => Some(command.into_string().ok()?),
        _ => return None,
    };
    let wrap = wrap.filter(|command| !command.trim().is_empty());
    let mut out = Lines::new(std::io::stdout());
    let load = || Config::load(&GlobalFlags::default(), Vec::new());
    Some(run(&Args { wrap }, load, &mut out))
}

/// Prints the status line. The exit code is 0: at any other the client shows nothing.
pub(crate) fn run(
    args: &Args,
    load: impl FnOnce() -> Result<Config, ConfigErrors>,
    out: &mut dyn Write,
) -> ExitCode {
    if std::io::stdin().is_terminal() {
        say::line(
            "shim statusline reads the JSON of Claude Code's status line from its standard input; the client starts it",
        );
        return ExitCode::SUCCESS;
    }
    let input = stdin::read().unwrap_or_default();
    let parsed = status_line::parse(&input, &Surroundings::of_process()).unwrap_or_default();
    let config = load();
    let printed = block_on(async {
        let facts = facts_of(config.as_ref().ok(), &parsed);
        let (wrapped, facts) = tokio::join!(wrapped::output(args.wrap.as_deref(), &input), facts);
        Ok::<_, CliError>((wrapped, facts))
    });
    let (wrapped, facts) = printed.unwrap_or_default();
    let own = match &config {
        Ok(_) => line::line(&facts, &Look::of_process()),
        Err(wrong) => line::misconfigured(wrong, &Look::of_process()),
    };
    let lines = [wrapped, own].into_iter().filter(|text| !text.is_empty());
    let text = lines.collect::<Vec<_>>().join("\n");
    if !text.is_empty() {
        // A client that does not read it any more has a newer one.
        let _ = raw(out, &text);
    }
    ExitCode::SUCCESS
}

async fn facts_of(config: Option<&Config>, told: &StatusLine) -> Facts {
    match (config, &told.event) {
        (Some(config), Some(event)) => facts::ask(config, event, WITHIN).await,
        _ => Facts::default(),
    }
}
