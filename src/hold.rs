//! `shim hold -- COMMAND`: work on the data folder while nothing uses it. The stack is stopped, gateways wait, and what ran before is
//! started again.

use std::ffi::OsString;
use std::io::Write;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use shim_runtime::stack::{Hold, StackError, StackInfo, StackLock, StackState};

use crate::config::Config;
use crate::down;
use crate::error::CliError;
use crate::up::{background, redis};

/// For the stack that runs, and for one that was starting when the hold began.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// What to do meanwhile.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The command to run while the folder is held
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  shim hold -- install -m 755 target/release/shim /usr/local/bin/shim      upgrade
  shim hold -- cp -a ~/.local/share/shim /mnt/backup                       copy the whole folder

Windows stay open: their gateways wait and then find the stack again. The exit code is the command's.";

/// Holds the folder, runs the command, and starts the stack again if it ran.
pub(crate) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let (program, arguments) = args
        .command
        .split_first()
        .ok_or_else(|| CliError::usage("there is no command to run"))?;
    let shown = program.to_string_lossy().into_owned();
    let folder = HeldFolder::take(config, &format!("a command is run there: {shown}"), out).await?;
    let ended = Command::new(program).args(arguments).status();
    folder.release(config, out).await?;
    let status =
        ended.map_err(|why| CliError::from(why).while_doing(format_args!("cannot run {shown}")))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// A data folder that no stack uses and none can.
pub(crate) struct HeldFolder {
    before: Option<StackInfo>,
    /// Dropped before the hold: nobody starts a stack in between.
    lock: StackLock,
    hold: Hold,
}

impl HeldFolder {
    /// Stops the stack, with its Redis, and keeps every other one from starting. Others read `why`.
    ///
    /// # Errors
    /// If another process holds the folder, or the stack does not stop.
    pub(crate) async fn take(
        config: &Config,
        why: &str,
        out: &mut dyn Write,
    ) -> Result<Self, CliError> {
        let stack = config.stack();
        let hold = Hold::take(&stack, why)?;
        let mut before = None;
        let deadline = Instant::now() + TAKEN_WITHIN;
        let lock = loop {
            if let StackState::Running(info) = stack.state() {
                down::stop(&stack, &info, out).await?;
                writeln!(out, "the stack is stopped")?;
                before = Some(info);
            }
            match hold.lock_stack() {
                Ok(lock) => break lock,
                Err(StackError::AlreadyRunning) if Instant::now() < deadline => {
                    tokio::time::sleep(POLL).await;
                }
                Err(error) => return Err(error.into()),
            }
        };
        redis::stop_orphan(&redis::socket(config.data_dir())).await;
        Ok(Self { before, lock, hold })
    }

    /// Lets stacks start again, and starts the one that ran before in the background.
    ///
    /// # Errors
    /// If it does not start.
    pub(crate) async fn release(
        self,
        config: &Config,
        out: &mut dyn Write,
    ) -> Result<(), CliError> {
        let Self { before, lock, hold } = self;
        drop(lock);
        drop(hold);
        if let Some(before) = before {
            background::start_again(&before, config).await?;
            writeln!(out, "the stack runs again, in the background")?;
        }
        Ok(())
    }
}
