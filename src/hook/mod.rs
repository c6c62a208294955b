//! `shim hook`: what Claude Code runs at each step of a conversation. It reads the hook's JSON, tells the stack, and says
//! what the stack has to say.
//!
//! It never stands in the client's way: whatever goes wrong, it ends with exit code 0 and prints nothing, notes one line in
//! the log of the data folder, and keeps the event in the spool, which the stack reads later. It makes one connection, and
//! one call unless there is more to say.

mod answer;
mod config;
mod hook_folder;
mod journal;
mod leases;
mod reply;
mod session_start;
pub(crate) mod spool;
pub(crate) mod stack;
mod start;
pub(crate) mod stdin;
mod tool_call;
mod worker_turn;

use std::io::IsTerminal;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use shim_claude_code::hook_input::{self, HookInput, Surroundings};
use shim_runtime::config::ConfigErrors;

pub(crate) use config::{HookConfig, LeaseRule};
pub(crate) use journal::NAME as LOG_NAME;
pub(crate) use spool::NAME as SPOOL_NAME;

use crate::block_on::block_on;
use crate::config::Config;
use crate::error::CliError;
use crate::global_flags::GlobalFlags;
use crate::output::say;
use hook_folder::HookFolder;
use journal::Line;

/// The word on the command line.
pub(crate) const NAME: &str = "hook";

/// How the client runs it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Claude Code starts this command itself; `shim install claude-code` writes it into the client's settings. It \
                  ends with exit code 0 whatever happens; DATA_DIR/hook.log says what went wrong."
)]
pub(crate) struct Args {}

/// Runs with the configuration of the environment, without a look at the command line.
pub(crate) fn run_plain() -> ExitCode {
    run(|| Config::load(&GlobalFlags::default(), Vec::new()))
}

/// Answers one hook. The exit code is 0: any other is shown to the user or stops the model.
pub(crate) fn run(load: impl FnOnce() -> Result<Config, ConfigErrors>) -> ExitCode {
    if std::io::stdin().is_terminal() {
        say::line(
            "shim hook reads the JSON of a Claude Code hook from its standard input; the client starts it",
        );
        return ExitCode::SUCCESS;
    }
    // The client shows what a hook prints to stderr.
    std::panic::set_hook(Box::new(|_| {}));
    if std::panic::catch_unwind(AssertUnwindSafe(|| handle(load()))).is_err() {
        let place = HookFolder::find(&Config::load(&GlobalFlags::default(), Vec::new()));
        if let Some(place) = place {
            place
                .journal
                .note(&Line::error("", "a defect: the program panicked"));
        }
    }
    ExitCode::SUCCESS
}

fn handle(loaded: Result<Config, ConfigErrors>) {
    // Without a home folder there is no data folder, and none is made in the project's.
    let Some(place) = HookFolder::find(&loaded) else {
        return;
    };
    let read = stdin::read().map_err(|why| why.to_string());
    let parsed = read.and_then(|json| {
        hook_input::parse(&json, &Surroundings::of_process()).map_err(|why| why.to_string())
    });
    let hook = match parsed {
        Ok(hook) => hook,
        Err(why) => return place.journal.note(&Line::error("", &why)),
    };
    if hook.event.is_none() {
        return;
    }
    match loaded {
        Ok(config) => answer_from(&config, &hook, &place),
        Err(wrong) => {
            let why = wrong.0.first().cloned().unwrap_or_default();
            place.keep_and_complain(&hook, &format!("the configuration is wrong: {why}"));
        }
    }
}

fn answer_from(config: &Config, hook: &HookInput, place: &HookFolder) {
    let answered = block_on(async {
        answer::run(config, hook, place).await;
        Ok::<_, CliError>(())
    });
    if let Err(why) = answered {
        place.keep(hook, &format!("no runtime: {why}"));
    }
}
