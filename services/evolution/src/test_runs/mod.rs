//! Runs of a user's own tests, with a verdict that can be believed.
//!
//! The project's own runner is started, as its authors start it, once, without watching, with a report in a folder of ours. The
//! runner's word alone proves nothing: exit codes of 0 with failed, with no or with half the tests are common.

mod command;
mod error;
mod facts;
mod run;
mod sandbox;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use shim_exec::{Artifacts, Groups};
use shim_runtime::stack::make_private_dir;

pub(crate) use crate::domain::testing::report::TestState;
pub(crate) use crate::domain::testing::verdict::{TestRun, Verdict};
pub(crate) use error::TestRunError;
pub(crate) use facts::{Suite, is_test_file};
use sandbox::sweep;
pub(crate) use sandbox::{Sandbox, link_packages};

/// What a run is asked for.
#[derive(Debug, Clone)]
pub(crate) struct RunRequest<'a> {
    /// The project's root, or the same folder in a worktree or copy, with its packages linked.
    pub(crate) folder: &'a Path,
    /// Only these test files, relative to the folder; empty for all.
    pub(crate) files: &'a [String],
    /// When the whole process group is killed.
    pub(crate) limit: Duration,
    /// Variables besides the usual ones.
    pub(crate) env: Vec<(String, String)>,
    /// Whether the process may be ended as soon as the report is whole, so that an error after the last test is missed.
    pub(crate) ends_at_report: bool,
}

impl<'a> RunRequest<'a> {
    /// All tests of a folder.
    pub(crate) fn all(folder: &'a Path, limit: Duration) -> Self {
        Self {
            folder,
            files: &[],
            limit,
            env: Vec::new(),
            ends_at_report: false,
        }
    }
}

/// Runs tests. A cheap clone; its folder is for reports, caches and copies, and is never a part of a project.
#[derive(Debug, Clone)]
pub(crate) struct TestRuns {
    groups: Arc<Groups>,
    artifacts: Arc<Artifacts>,
    folder: PathBuf,
}

impl TestRuns {
    /// Runs tests below `folder`, which is made if it is missing. What earlier processes left there is removed, so only one process
    /// may use a folder.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub(crate) fn new(
        groups: Arc<Groups>,
        artifacts: Arc<Artifacts>,
        folder: PathBuf,
    ) -> Result<Self, TestRunError> {
        let what = format!("the folder {} cannot be made", folder.display());
        make_private_dir(&folder).map_err(TestRunError::io(what))?;
        sweep(&folder);
        Ok(Self {
            groups,
            artifacts,
            folder,
        })
    }

    /// Where copies and reports are made.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn groups(&self) -> &Arc<Groups> {
        &self.groups
    }

    pub(crate) fn artifacts(&self) -> &Arc<Artifacts> {
        &self.artifacts
    }
}
