//! Why a tool did not answer.

use std::time::Duration;

use shim_runtime::error_table;

/// A call of the tool host that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HostError {
    /// There is no Node that could run the tools.
    #[error("Node.js cannot be used: {why}")]
    NodeMissing {
        /// What was looked for, and what was found instead.
        why: String,
    },
    /// Node is there without npm.
    #[error("npm cannot be used: {why}")]
    NpmMissing {
        /// What was looked for.
        why: String,
    },
    /// npm did not reach its registry.
    #[error("the tools cannot be installed, since npm does not reach its registry: {why}")]
    Offline {
        /// What npm said.
        why: String,
    },
    /// npm refused.
    #[error("the tools cannot be installed: {why}")]
    InstallFailed {
        /// What npm said.
        why: String,
    },
    /// npm did not come to an end.
    #[error("the tools were not installed within {limit:?}")]
    InstallTimedOut {
        /// How long it may take.
        limit: Duration,
    },
    /// The disk of the data folder is full.
    #[error("the disk is full: {why}")]
    DiskFull {
        /// What could not be written.
        why: String,
    },
    /// The tools' folder cannot be used.
    #[error("{doing}: {why}")]
    Folder {
        /// What was tried.
        doing: String,
        /// What the system said.
        why: String,
    },
    /// Code of the project would have to run, and nobody allowed that.
    #[error("{root}: its own code would have to run, and the project is not trusted")]
    NotTrusted {
        /// The project.
        root: String,
    },
    /// The tool took longer than it may, and was killed.
    #[error("{method} took longer than {limit:?}, and was ended")]
    TimedOut {
        /// The method.
        method: String,
        /// How long it may take.
        limit: Duration,
    },
    /// The tool did not come on, and was killed.
    #[error("{method} did not come on for {limit:?}, and was ended")]
    Silent {
        /// The method.
        method: String,
        /// How long it may take for one step.
        limit: Duration,
    },
    /// The caller is gone.
    #[error("the call was cancelled")]
    Cancelled,
    /// The tool used more memory than it may.
    #[error("{method} needs more than {limit_mib} MiB of memory, and was ended")]
    OutOfMemory {
        /// The method.
        method: String,
        /// How much it may use.
        limit_mib: u64,
    },
    /// The host ended twice in a row during the same call.
    #[error("the tool host died during {method}, twice: {how}")]
    Died {
        /// The method.
        method: String,
        /// How it ended, and its last words.
        how: String,
    },
    /// The answer is larger than what is passed on.
    #[error("the answer of {method} is too large: {why}")]
    AnswerTooLarge {
        /// The method.
        method: String,
        /// How large.
        why: String,
    },
    /// The tool threw.
    #[error("{method} failed: {message}")]
    ToolFailed {
        /// The method.
        method: String,
        /// What it threw.
        message: String,
    },
    /// The answer is none that was expected.
    #[error("the answer of {method} cannot be read: {why}")]
    BadAnswer {
        /// The method.
        method: String,
        /// What is wrong with it.
        why: String,
    },
    /// The service ends.
    #[error("the service is being stopped")]
    Stopping,
}

error_table! { HostError,
    NodeMissing => FailedPrecondition NODE_MISSING,
        "install Node.js 20 or newer so that `node` is on PATH, or set evolution.node to its path; then restart the stack";
    NpmMissing => FailedPrecondition NODE_MISSING,
        "install npm, which comes with Node.js, so that it is on PATH; then call again";
    Offline => Unavailable TOOLS_UNAVAILABLE,
        "connect the machine to the network, or set npm's `registry` or `https-proxy` (`npm ping` must succeed); then call again",
        retry 30_000;
    InstallFailed => Unavailable TOOLS_UNAVAILABLE,
        "correct what npm complains about (`npm ping` and `npm config list` help), then call again";
    InstallTimedOut => Unavailable TOOLS_UNAVAILABLE,
        "call again: what was downloaded is kept in npm's cache", retry 1_000;
    DiskFull => ResourceExhausted DISK_FULL,
        "free at least 500 MB on the disk of the data folder, then call again", retry 5_000;
    Folder => Unavailable TOOLS_UNAVAILABLE,
        "give this user its folder `tools` in the data folder back, or remove that folder, then call again";
    NotTrusted => FailedPrecondition PROJECT_NOT_TRUSTED,
        "look at the project first; if its code may run with your rights, say so with `shim trust PATH`, then call again";
    TimedOut | Silent => DeadlineExceeded TOOL_TIMED_OUT,
        "name fewer files or folders with `include`, then call again";
    Cancelled => Cancelled CANCELLED;
    OutOfMemory => ResourceExhausted TOOL_FAILED,
        "name fewer files or folders with `include`, or raise evolution.host_memory; then call again";
    Died | ToolFailed | BadAnswer => Internal TOOL_FAILED,
        "report it with the service's log; other calls are not affected";
    AnswerTooLarge => ResourceExhausted TOOL_FAILED,
        "name fewer files or folders with `include`, then call again";
    Stopping => Unavailable STOPPING,
        "call again once the service is back", retry 1_000;
}

impl HostError {
    /// What the system refused to do with the tools' folder.
    pub(super) fn of_io(doing: impl Into<String>, why: &std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        let doing = doing.into();
        if matches!(why.kind(), StorageFull | QuotaExceeded) {
            return Self::DiskFull {
                why: format!("{doing}: {why}"),
            };
        }
        Self::Folder {
            doing,
            why: why.to_string(),
        }
    }
}
