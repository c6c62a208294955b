//! A process in the background: starting the stack as one, and leaving the terminal from within.

use std::fs::{File, OpenOptions};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, setsid};
use shim_runtime::config::BY_FLAG;
use shim_runtime::process;
use shim_runtime::stack::{Stack, StackError, StackInfo, StackState};

use super::args::Args;
use crate::config::Config;
use crate::connection;
use crate::error::CliError;

/// A large database is checked at the start, which may take seconds.
const READY_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// Starts the stack in the background as it was started before, and waits until it serves.
pub(crate) async fn start_again(before: &StackInfo, config: &Config) -> Result<(), CliError> {
    let surroundings = before.surroundings.as_deref();
    // What a flag said is known to nobody else.
    let by_flag =
        surroundings.is_some_and(|it| it.settings.get("listen").is_some_and(|it| it == BY_FLAG));
    let args = Args {
        listen: before
            .tcp
            .filter(|_| by_flag)
            .map(|address| address.to_string()),
        detach: true,
        idle_exit: surroundings
            .and_then(|it| it.idle_exit_ms)
            .map(Duration::from_millis),
        detached: false,
    };
    start_and_wait(&config.stack(), &args, config).await
}

/// Starts the stack in the background and waits until it serves and its own Redis is ready.
pub(super) async fn start_and_wait(
    stack: &Stack,
    args: &Args,
    config: &Config,
) -> Result<(), CliError> {
    stack.prepare_folder()?;
    let log = stack.open_log();
    let log = log.map_or_else(|_| Stdio::null(), Stdio::from);
    let of_start = stack.log_from_here();
    let mut child = command(args, config)?.stderr(log).spawn()?;
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        if let StackState::Running(info) = stack.state() {
            connection::await_own_redis(config, &info).await;
            return Ok(());
        }
        // A child that left without success failed; one that left with success lost the race to another stack.
        if child.try_wait()?.is_some_and(|status| !status.success()) {
            return Err(StackError::Failed(of_start.last_line(), stack.log_path()).into());
        }
        if Instant::now() >= deadline {
            let why = of_start.last_line();
            return Err(CliError::new(format!("the stack is not ready yet: {why}"))
                .hint(format!("its log is {}", stack.log_path().display())));
        }
        tokio::time::sleep(POLL).await;
    }
}

fn command(args: &Args, config: &Config) -> Result<Command, CliError> {
    let mut command = Command::new(process::own_program()?);
    command
        .args(&config.flags)
        .args(["up", "--detached"])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if let Some(address) = &args.listen {
        command.args(["--listen", address]);
    }
    if let Some(span) = args.idle_exit {
        command.args(["--idle-exit", &humantime::format_duration(span).to_string()]);
    }
    Ok(command)
}

/// Puts this process in a session of its own, with its output in the log. The caller holds the stack's lock.
pub(super) fn leave_terminal(stack: &Stack) -> Result<(), CliError> {
    // It fails for the leader of a process group, which has no terminal to leave.
    let _ = setsid();
    let log = stack.open_log();
    let system = |e: nix::errno::Errno| CliError::from(std::io::Error::from(e));
    dup2_stdin(File::open("/dev/null")?).map_err(system)?;
    match log {
        Ok(log) => {
            dup2_stdout(&log).map_err(system)?;
            dup2_stderr(&log).map_err(system)?;
        }
        // A stack without a log is better than none; `shim doctor` looks at the log, too.
        Err(_) => {
            let nowhere = OpenOptions::new().write(true).open("/dev/null")?;
            dup2_stdout(&nowhere).map_err(system)?;
            dup2_stderr(&nowhere).map_err(system)?;
        }
    }
    // The folder of the start may be unmounted or deleted later.
    std::env::set_current_dir("/")?;
    Ok(())
}
