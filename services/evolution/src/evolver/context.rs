//! What every part of an evolution's work gets: tools, stores and limits, and who watches and ends it.

use std::path::PathBuf;
use std::time::Duration;

use shim_proto::evolution::v1::{Check, Transform};
use tokio_util::sync::CancellationToken;

use super::at_work::AtWork;
use crate::domain::evolution::{CatalogEntry, catalog};
use crate::store::Store;
use crate::test_runs::TestRuns;
use crate::tool_host::{ProgressSink, ToolHost};

/// What evolutions are made with. Clones share it.
#[derive(Clone)]
pub(crate) struct Evolver {
    pub(crate) host: ToolHost,
    pub(crate) runs: TestRuns,
    pub(crate) store: Store,
    /// Where worktrees are made.
    pub(crate) worktrees: PathBuf,
    pub(crate) limits: EvolverLimits,
    /// Evolutions that are being applied or taken back.
    pub(crate) at_work: AtWork,
}

/// How long its parts may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EvolverLimits {
    /// One call of a tool.
    pub(crate) tool: Duration,
    /// One file in a user's own transform.
    pub(crate) custom_file: Duration,
    /// One run of a project's tests.
    pub(crate) tests: Duration,
}

impl Evolver {
    /// The transforms that a project's files can be changed by.
    pub(crate) fn transforms() -> Vec<Transform> {
        catalog().iter().map(CatalogEntry::to_message).collect()
    }
}

/// Where progress and checks go, and what ends the work.
#[derive(Clone, Copy)]
pub(crate) struct Watch<'a> {
    pub(crate) progress: &'a ProgressSink,
    pub(crate) on_check: &'a (dyn Fn(&Check) + Send + Sync),
    pub(crate) cancel: &'a CancellationToken,
}

impl<'a> Watch<'a> {
    pub(super) fn handles(self) -> (&'a ProgressSink, &'a CancellationToken) {
        (self.progress, self.cancel)
    }
}
