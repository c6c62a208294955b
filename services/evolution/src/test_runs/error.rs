//! Why tests cannot be started or copied at all.

use shim_runtime::error_table;

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
