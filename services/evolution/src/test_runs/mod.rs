//! Runs of a user's own tests, with a verdict that can be believed.
//!
//! The project's own runner is started, as its authors start it, once, without watching, with a report in a folder of ours. The
//! runner's word alone proves nothing: exit codes of 0 with failed, with no or with half the tests are common.

mod command;
mod facts;
mod run;
mod sandbox;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use shim_exec::{Artifacts, Groups};
use shim_runtime::error_table;
use shim_runtime::stack::make_private_dir;

pub(crate) use crate::domain::testing::report::TestState;
pub(crate) use crate::domain::testing::verdict::{TestRun, Verdict};
pub(crate) use facts::{Suite, is_test_file};
use sandbox::sweep;
pub(crate) use sandbox::{Sandbox, link_packages};

/// Why tests cannot be started or copied at all; what a started run says is its verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TestRunError {
    /// Node is missing.
    #[error("tests: {0}")]
    NodeMissing(String),
    /// The runner is not installed.
    #[error("tests: {runner} is not installed in {folder}")]
    RunnerMissing {
        /// Its name.
        runner: &'static str,
        /// The project.
        folder: String,
    },
    /// The tests are for a runner that nothing is written for.
    #[error(
        "tests: they are run by `{command}`, and are generated for vitest, jest, mocha and node:test"
    )]
    RunnerUnknown {
        /// The script.
        command: String,
    },
    /// A file cannot be read or written.
    #[error("tests: {what}: {why}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        why: String,
    },
    /// There is no room for a copy or a report.
    #[error("tests: {what}: the disk of the data folder is full")]
    DiskFull {
        /// What was tried.
        what: String,
    },
    /// The project is too large to copy.
    #[error(
        "tests: the project has more than {files} files or {bytes} bytes outside of node_modules"
    )]
    TooLarge {
        /// The most files.
        files: u64,
        /// The most bytes.
        bytes: u64,
    },
    /// The caller went away.
    #[error("tests: cancelled")]
    Cancelled,
}

error_table! { TestRunError,
    NodeMissing => FailedPrecondition NODE_MISSING,
        "install Node.js 20 or newer so that `node` is on PATH; then restart the stack";
    RunnerMissing => FailedPrecondition TESTS_UNAVAILABLE,
        "install the project's packages (`npm ci` in its folder), then call again";
    RunnerUnknown => FailedPrecondition TESTS_UNAVAILABLE,
        "let the script `test` of package.json run one of those, then call again";
    Io => Internal TOOL_FAILED, "look at the disk of the data folder and at the project's permissions, then call again";
    DiskFull => ResourceExhausted DISK_FULL, "free space on the disk of the data folder, then call again", retry 5_000;
    TooLarge => ResourceExhausted QUOTA_EXCEEDED, "move what is no source out of the project, then call again";
    Cancelled => Cancelled CANCELLED;
}

impl TestRunError {
    /// What the system refused.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        let what = what.into();
        move |why| match why.kind() {
            StorageFull | QuotaExceeded => Self::DiskFull { what },
            _ => Self::Io {
                what,
                why: why.to_string(),
            },
        }
    }
}

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
