//! Programs that are run to their end within bounds, and what they leave.

use std::io::{ErrorKind, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Output as Printed, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use shim_exec::{Artifacts, ExitCause, Groups, Launch, Output, Run, RunLimits};
use tokio_util::sync::CancellationToken;

/// What a program may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How long.
    pub(crate) timeout: Duration,
    /// From SIGTERM to SIGKILL.
    pub(crate) grace: Duration,
    /// Bytes kept of each stream.
    pub(crate) output: usize,
}

/// What a program left.
pub(crate) struct Finished {
    pub(crate) end: ExitCause,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Whether it exited with 0.
    pub(crate) fn is_success(&self) -> bool {
        matches!(self.end, ExitCause::Exited(status) if status.success())
    }

    /// How it was ended, if it did not end by itself.
    pub(crate) fn ended_by(&self) -> Option<String> {
        match self.end {
            ExitCause::Exited(status) => {
                let signal = status.signal()?;
                Some(format!("it was ended by signal {signal}"))
            }
            ExitCause::TimedOut => Some("it took too long, and was ended".to_owned()),
            ExitCause::Lingered | ExitCause::Stopped => Some("it was stopped".to_owned()),
        }
    }
}

/// Runs a program until it ends, its time is up or `stop` is set. Dropped, it leaves no process behind.
pub(crate) async fn run_to_end(
    launch: Launch,
    bounds: Bounds,
    groups: &Arc<Groups>,
    artifacts: &Arc<Artifacts>,
    stop: &CancellationToken,
) -> std::io::Result<Finished> {
    let output = |stream| {
        let path = artifacts.path(&launch.work_id, 1, stream);
        Output::new(Arc::clone(artifacts), path, bounds.output)
    };
    let (stdout, stderr) = (output("stdout"), output("stderr"));
    let run = Run {
        launch,
        input: Vec::new(),
        limits: RunLimits {
            timeout: bounds.timeout,
            grace: bounds.grace,
        },
        stop,
        stdout,
        stderr,
    };
    let mut ended = Box::pin(run.execute(groups, |_| {}, |_| false)).await?;
    Ok(Finished {
        end: ended.end,
        stdout: ended.stdout.text().0,
        stderr: ended.stderr.text().0,
    })
}

/// The signal that ended a program, in words; `None` if it exited.
pub(crate) fn crash(status: ExitStatus) -> Option<String> {
    let number = status.signal()?;
    let name = Signal::try_from(number).map_or("an unknown one", Signal::as_str);
    Some(format!("it crashed: signal {number}, {name}"))
}

/// Runs a program that changes nothing with this input to its end, on the thread of its caller. After `limit` its process group
/// is killed. What somebody else killed has no answer, and is run once more.
///
/// # Errors
/// If it cannot be started; `TimedOut` if its time was up.
pub(crate) fn output_within(
    command: &mut Command,
    input: &[u8],
    limit: Duration,
) -> std::io::Result<Printed> {
    let first = run_within(command, input, limit)?;
    match first.status.code() {
        Some(_) => Ok(first),
        None => run_within(command, input, limit),
    }
}

fn run_within(command: &mut Command, input: &[u8], limit: Duration) -> std::io::Result<Printed> {
    command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let group = Pid::from_raw(i32::try_from(child.id()).map_err(std::io::Error::other)?);
    let stdin = child.stdin.take();
    let (ending, end) = channel::<()>();
    std::thread::scope(|scope| {
        let watch = scope.spawn(move || {
            let is_late = end.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
            if is_late {
                let _ = killpg(group, Signal::SIGKILL);
            }
            is_late
        });
        // A program that reads no more says why by its end.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        let output = child.wait_with_output();
        drop(ending);
        match watch.join() {
            Ok(true) => Err(ErrorKind::TimedOut.into()),
            _ => output,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_program_that_does_not_end_is_killed_with_what_it_started() {
        let late = output_within(
            &mut shell("sleep 600 & cat; wait"),
            b"x",
            Duration::from_millis(50),
        );
        assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
        let done =
            output_within(&mut shell("cat; exit 3"), b"said", Duration::from_secs(60)).unwrap();
        assert_eq!(
            (done.stdout.as_slice(), done.status.code()),
            (&b"said"[..], Some(3))
        );
        assert_eq!(crash(done.status), None);
    }

    #[test]
    fn a_crash_is_told_with_its_signal() {
        let crashed =
            output_within(&mut shell("kill -SEGV $$"), b"", Duration::from_secs(60)).unwrap();
        assert_eq!(
            crash(crashed.status).as_deref(),
            Some("it crashed: signal 11, SIGSEGV")
        );
    }
}
