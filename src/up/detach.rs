//! `shim up --detach`: the stack in the background, and its status.

use std::io::Write;
use std::process::ExitCode;

use shim_runtime::stack::{StackError, StackState};

use super::args::Args;
use super::background::start_and_wait;
use crate::config::Config;
use crate::error::CliError;
use crate::status;

/// Starts the stack in the background unless it runs, waits until it serves, and prints its status.
pub(super) async fn start(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let stack = config.stack();
    match stack.state() {
        StackState::Stopped => start_and_wait(&stack, args, config).await?,
        StackState::Held(why) => return Err(StackError::Held(why).into()),
        StackState::Starting | StackState::Running(_) => writeln!(out, "the stack runs already")?,
    }
    status::print(config, out).await
}
