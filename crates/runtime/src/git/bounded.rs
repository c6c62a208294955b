//! A program that changes nothing, run to its end within a time.

use std::io::{ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Runs a program that changes nothing with this input to its end, on the thread of its caller. After `limit` its process group
/// is killed. What somebody else killed has no answer, and is run once more.
///
/// # Errors
/// If it cannot be started; `TimedOut` if its time was up.
pub fn output_within(
    command: &mut Command,
    input: &[u8],
    limit: Duration,
) -> std::io::Result<Output> {
    let first = run_within(command, input, limit)?;
    match first.status.code() {
        Some(_) => Ok(first),
        None => run_within(command, input, limit),
    }
}

fn run_within(command: &mut Command, input: &[u8], limit: Duration) -> std::io::Result<Output> {
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
    #![allow(clippy::unwrap_used)]
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
    }
}
