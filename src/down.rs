//! `shim down`: stops the local stack, and a Redis that outlived one.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use shim_runtime::stack::{Stack, StackInfo, StackState};

use crate::config::Config;
use crate::error::CliError;
use crate::serving_process::ServingProcess;
use crate::up::redis;

/// Longer than the drain of five seconds and the end of Redis together.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);
const KILL_WITHIN: Duration = Duration::from_secs(3);
const STARTS_WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// Stops the stack; it is no failure if there is none.
pub(crate) async fn run(config: &Config, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let stack = config.stack();
    wait_while(&stack, STARTS_WITHIN, |state| {
        *state == StackState::Starting
    })
    .await;
    match stack.state() {
        StackState::Stopped => writeln!(out, "the stack is not running")?,
        StackState::Held(why) => {
            writeln!(
                out,
                "the stack is not running, and none may start now: {why}"
            )?;
            return Ok(ExitCode::SUCCESS);
        }
        StackState::Starting => {
            return Err(
                CliError::new("the stack is starting and does not tell its pid")
                    .hint(format!("its log is {}", stack.log_path().display())),
            );
        }
        StackState::Running(info) => {
            stop(&stack, &info, out).await?;
            writeln!(out, "the stack is stopped")?;
        }
    }
    redis::stop_orphan(&redis::socket(config.data_dir())).await;
    Ok(ExitCode::SUCCESS)
}

/// Stops a stack that runs: the process that serves its socket, whatever the lock file names.
pub(crate) async fn stop(
    stack: &Stack,
    info: &StackInfo,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let process = match ServingProcess::of(stack, info).await {
        Ok(process) => process,
        // It left while it was looked for.
        Err(_) if !matches!(stack.state(), StackState::Running(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    let pid = process.pid();
    let runs =
        |state: &StackState| matches!(state, StackState::Running(now) if now.pid == info.pid);
    let escalation = [
        (
            Signal::SIGTERM,
            DRAIN_WITHIN,
            "it does not drain; telling it to leave at once",
        ),
        (
            Signal::SIGTERM,
            KILL_WITHIN,
            "it does not leave; killing it (nothing acknowledged is lost)",
        ),
        (Signal::SIGKILL, KILL_WITHIN, ""),
    ];
    for (signal, timeout, next) in escalation {
        process
            .signal(signal)
            .map_err(|e| CliError::new(format!("cannot stop the stack (pid {pid}): {e}")))?;
        wait_while(stack, timeout, runs).await;
        if !runs(&stack.state()) {
            return Ok(());
        }
        writeln!(out, "{next}")?;
    }
    Err(CliError::new(format!("the stack (pid {pid}) did not stop")))
}

async fn wait_while(stack: &Stack, timeout: Duration, holds: impl Fn(&StackState) -> bool) {
    let deadline = Instant::now() + timeout;
    while holds(&stack.state()) && Instant::now() < deadline {
        tokio::time::sleep(POLL).await;
    }
}
