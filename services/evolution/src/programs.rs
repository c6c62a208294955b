//! Programs that are run to their end within bounds, and what they leave.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_is_told_with_its_signal() {
        let mut shell = std::process::Command::new("sh");
        let crashed = shell.args(["-c", "kill -SEGV $$"]).output().unwrap();
        assert_eq!(
            crash(crashed.status).as_deref(),
            Some("it crashed: signal 11, SIGSEGV")
        );
    }
}
