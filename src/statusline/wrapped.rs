//! The status line that was there before: it gets the same input, and its output is printed first.

use std::io::Result;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// It is the user's own, and may ask git.
const WITHIN: Duration = Duration::from_secs(2);
/// More is no status line.
const MAX_BYTES: u64 = 16 << 10;

/// What the command prints, without empty lines at its end; nothing if there is no command or it cannot be run. Its failure
/// does not matter, and what it printed within the time limit counts.
pub(super) async fn output(command: Option<&str>, input: &[u8]) -> String {
    match command {
        Some(command) => run(command, input).await.unwrap_or_default(),
        None => String::new(),
    }
}

async fn run(command: &str, input: &[u8]) -> Result<String> {
    // The client, too, gives it to a shell. A group of its own, so that what it started ends with it.
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let mut printed = Vec::new();
    let mut told_to_end = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = exchange(&mut child, input, &mut printed) => {}
        () = tokio::time::sleep(WITHIN) => {}
        _ = told_to_end.recv() => {}
    }
    end(&mut child);
    let text = String::from_utf8_lossy(&printed);
    Ok(text.trim_end().to_owned())
}

/// Both at once: it may print before it has read all.
async fn exchange(child: &mut Child, input: &[u8], printed: &mut Vec<u8>) -> Result<()> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // Many read nothing.
            let _ = stdin.write_all(input).await;
        }
    };
    let read = async {
        match stdout {
            Some(stdout) => stdout.take(MAX_BYTES).read_to_end(printed).await,
            None => Ok(0),
        }
    };
    let ((), read) = tokio::join!(write, read);
    read.map(drop)
}

fn end(child: &mut Child) {
    let group = child.id().and_then(|pid| i32::try_from(pid).ok());
    if let Some(group) = group {
        // One that is gone by itself is well.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn its_output_is_taken_and_its_failure_is_not() {
        assert_eq!(output(None, b"x").await, "");
        assert_eq!(output(Some("cat; echo; echo"), b"input").await, "input");
        assert_eq!(output(Some("echo shown; exit 3"), b"x").await, "shown");
        assert_eq!(output(Some("/no/such/program"), b"x").await, "");
        let large = output(Some("yes"), &vec![b'x'; 1 << 20]).await;
        assert!((1..=16 << 10).contains(&large.len()));
    }
}
