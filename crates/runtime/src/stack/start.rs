//! One start of a stack's program in the background, and how it ended if it did.

use std::process::{Command, ExitStatus};
use std::sync::mpsc::{Receiver, channel};

use super::start_log::StartLog;

/// A program that was started. It may outlive this process.
#[derive(Debug)]
pub(super) struct Start {
    ended: Receiver<std::io::Result<ExitStatus>>,
    log: StartLog,
}

/// How a start ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StartEnd {
    /// It left because another stack was there.
    GaveWay,
    /// It failed, for this reason.
    Failed(String),
}

impl Start {
    /// Starts the program, which adds to this log.
    pub(super) fn of(mut command: Command, log: StartLog) -> std::io::Result<Self> {
        let mut child = command.spawn()?;
        let (sender, ended) = channel();
        // A thread reaps the child, which may leave at once or outlive this process. Nobody may listen any more.
        std::thread::spawn(move || sender.send(child.wait()));
        Ok(Self { ended, log })
    }

    /// How it ended, told once; `None` while it runs.
    pub(super) fn end(&self) -> Option<StartEnd> {
        let status = self.ended.try_recv().ok()?;
        Some(match status {
            Ok(status) if status.success() => StartEnd::GaveWay,
            _ => StartEnd::Failed(self.log.last_line()),
        })
    }
}
