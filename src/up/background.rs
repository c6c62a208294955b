//! A process in the background: starting the stack as one, and leaving the terminal from within.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, setsid};
use shim_runtime::config::BY_FLAG;
use shim_runtime::data_dir::open_own;
use shim_runtime::process;
use shim_runtime::stack::{Stack, StackInfo, StackState};

use super::args::Args;
use crate::config::Config;
use crate::error::CliError;

/// A large database is checked at the start, which may take seconds.
const READY_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);
/// A log larger than this is set aside at the next start; one old log is kept.
const MAX_LOG_BYTES: u64 = 10 * 1024 * 1024;

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

/// Starts the stack in the background and waits until it serves.
pub(super) async fn start_and_wait(
    stack: &Stack,
    args: &Args,
    config: &Config,
) -> Result<(), CliError> {
    stack.prepare_folder()?;
    let log = open_log(stack);
    let before = log.as_ref().ok().and_then(|log| log.metadata().ok());
    let log_start = before.map_or(0, |meta| meta.len());
    let log = log.map_or_else(|_| Stdio::null(), Stdio::from);
    let mut child = command(args, config)?.stderr(log).spawn()?;
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        if matches!(stack.state(), StackState::Running(_)) {
            return Ok(());
        }
        // A child that left without success failed; one that left with success lost the race to another stack.
        let ended = child.try_wait()?.is_some_and(|status| !status.success());
        if ended || Instant::now() >= deadline {
            let what = if ended {
                "ended at once"
            } else {
                "is not ready yet"
            };
            return Err(CliError::new(format!(
                "the stack {what}: {}",
                last_line(stack, log_start)
            ))
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
    let log = open_log(stack);
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

fn open_log(stack: &Stack) -> Result<File, CliError> {
    let path = stack.log_path();
    if path
        .symlink_metadata()
        .is_ok_and(|meta| meta.len() > MAX_LOG_BYTES)
    {
        std::fs::rename(&path, path.with_extension("log.1"))?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    Ok(open_own(&path, &mut options)?)
}

/// The last line of what the log has from `start` on; the last `error:` line if there is one. Before are earlier runs.
fn last_line(stack: &Stack, start: u64) -> String {
    let mut log = Vec::new();
    if let Ok(mut file) = open_own(&stack.log_path(), OpenOptions::new().read(true)) {
        let _ = file
            .seek(SeekFrom::Start(start))
            .and_then(|_| file.take(MAX_LOG_BYTES).read_to_end(&mut log));
    }
    let log = String::from_utf8_lossy(&log);
    let error = log
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("error: "));
    error
        .or(log.lines().last())
        .unwrap_or("it wrote nothing to its log")
        .to_owned()
}
