//! Changes of code: previewed, applied in a worktree of their own, verified, committed or discarded.
//!
//! (A) A proposal is made from what is committed, and touches nothing. (B) A change is applied in a worktree below the data folder,
//! never in the user's. (C) Its branch begins to exist with its commit, after every check passed. (D) What a crash leaves behind,
//! a worktree or an evolution that is being applied, is found and ended at the next start.

mod apply;
mod approve;
mod checks;
mod commands;
mod custom;
mod offer;
mod propose;
mod recover;
mod repository;
mod revert;
mod sources;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
mod types;
mod worktree;

use std::path::PathBuf;
use std::time::Duration;

use shim_proto::evolution::v1::Transform;

pub(crate) use approve::{Approval, Watch};
pub(crate) use offer::Offer;
pub(crate) use propose::{CustomTransform, EvolveOptions};

use crate::domain::evolution::{CatalogEntry, catalog};
use crate::store::Store;
use crate::test_runs::TestRuns;
use crate::tool_host::ToolHost;

/// What evolutions are made with. Clones share it.
#[derive(Clone)]
pub(crate) struct Evolver {
    pub(crate) host: ToolHost,
    pub(crate) runs: TestRuns,
    pub(crate) store: Store,
    /// Where worktrees are made.
    pub(crate) worktrees: PathBuf,
    pub(crate) limits: EvolverLimits,
}

/// How long its parts may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EvolverLimits {
    /// One call of a tool.
    pub(crate) tool: Duration,
    /// One run of a project's tests.
    pub(crate) tests: Duration,
}

impl Evolver {
    /// The transforms that a project's files can be changed by.
    pub(crate) fn transforms() -> Vec<Transform> {
        catalog().iter().map(CatalogEntry::to_message).collect()
    }
}
