//! Client processes of a panel: the program `actor`, one JSON object a line on its standard output. They are processes
//! and not tasks so that one can be frozen while the others go on, and none shares anything with another.

use std::io::Write;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use clap::Subcommand;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::UnboundedSender;
use tonic::Status;

use super::{holders, races};
use crate::binary;

/// What an `actor` does.
#[derive(Debug, Subcommand)]
pub enum Part {
    /// Counts on one entry by compare-and-set.
    Race(races::Racing),
    /// Acquires locks and writes under their fences.
    Hold(holders::Holding),
}

impl Part {
    /// Plays the part to its end.
    ///
    /// # Errors
    /// The first answer that no part expects.
    pub async fn play(self) -> Result<(), Status> {
        match self {
            Self::Race(racing) => races::race(racing).await,
            Self::Hold(holding) => holders::hold(holding).await,
        }
    }
}

/// Which services an actor's tasks spread over, and where their chance comes from.
#[derive(Debug, Clone, clap::Args)]
pub struct Setting {
    /// The sockets of the coordination services.
    #[arg(long = "socket", required = true)]
    pub(super) sockets: Vec<PathBuf>,
    /// How many tasks work at once.
    #[arg(long)]
    pub(super) tasks: usize,
    /// How often each of them does its work.
    #[arg(long)]
    pub(super) times: u64,
    /// Where all chance comes from.
    #[arg(long)]
    pub(super) seed: u64,
}

impl Setting {
    fn words(&self) -> Vec<String> {
        let mut words = vec![
            format!("--tasks={}", self.tasks),
            format!("--times={}", self.times),
            format!("--seed={}", self.seed),
        ];
        let sockets = self.sockets.iter();
        words.extend(sockets.map(|socket| format!("--socket={}", socket.display())));
        words
    }
}

/// An actor that runs. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Actor {
    child: Child,
}

impl Actor {
    /// Starts `part`; what it reports goes to `reports`.
    pub(super) fn start<R>(
        part: &str,
        setting: &Setting,
        options: &[String],
        reports: UnboundedSender<R>,
    ) -> Self
    where
        R: DeserializeOwned + Send + 'static,
    {
        let mut child = Command::new(binary::actor())
            .arg(part)
            .args(setting.words())
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
    pub(super) fn is_gone(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it leaves.
    pub(super) async fn end(&mut self) -> ExitStatus {
        self.child.wait().await.expect("a child can be waited for")
    }
}

/// Reports to the panel.
pub(super) fn report(report: &impl Serialize) {
    let line = serde_json::to_string(report).expect("a report is JSON");
    // The panel may have given up; then nobody listens.
    let _ = writeln!(std::io::stdout(), "{line}");
}
