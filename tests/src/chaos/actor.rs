//! Client processes of a suite: the program `actor`, one JSON object a line on its standard output. They are processes
//! and not tasks so that one can be frozen while the others go on, and none shares anything with another.

use std::io::Write;
use std::process::{ExitStatus, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::UnboundedSender;

use crate::binary;

/// An actor that runs. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Actor {
    child: Child,
}

impl Actor {
    /// Starts `part` with its options; what it reports goes to `reports`.
    pub(super) fn start<R>(
        subcommand: &str,
        options: &[String],
        reports: UnboundedSender<R>,
    ) -> Self
    where
        R: DeserializeOwned + Send + 'static,
    {
        let mut child = Command::new(binary::actor())
            .arg(subcommand)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the actor runs");
        let lines = BufReader::new(child.stdout.take().expect("stdout is a pipe")).lines();
        tokio::spawn(async move {
            let mut lines = lines;
            while let Ok(Some(line)) = lines.next_line().await {
                let report = serde_json::from_str(&line).expect("an actor speaks JSON");
                if reports.send(report).is_err() {
                    return;
                }
            }
        });
        Self { child }
    }

    /// Its process, while it was not waited for.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Whether it has left already.
    pub(super) fn has_exited(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it leaves.
    pub(super) async fn end(&mut self) -> ExitStatus {
        self.child.wait().await.expect("a child can be waited for")
    }

    /// Ends it with SIGKILL and waits until it is gone.
    pub(super) async fn kill(&mut self) {
        // One that left by itself cannot be killed, and needs not.
        let _ = self.child.kill().await;
    }
}

/// Reports to the suite.
pub(super) fn report(report: &impl Serialize) {
    let line = serde_json::to_string(report).expect("a report is JSON");
    // The suite may have ended; then nothing reads the pipe.
    let _ = writeln!(std::io::stdout(), "{line}");
}
