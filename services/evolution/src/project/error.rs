//! Why a path names no project that can be worked on.

use std::time::Duration;

use shim_runtime::error_table;

/// A path that is no project.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProjectError {
    /// The path is relative, or leads nowhere.
    #[error("path: {path} {why}")]
    NotFound {
        /// The path as it was asked for.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// It lies outside of what may be worked on.
    #[error("path: {path} is outside of the folders that may be worked on")]
    OutsideRoots {
        /// The path as it was asked for.
        path: String,
    },
    /// Its package.json is broken.
    #[error("{path}: {why}")]
    Manifest {
        /// The manifest.
        path: String,
        /// What is wrong with it, with the line.
        why: String,
    },
    /// A file or folder that the call is limited to.
    #[error("include: {path} {why}")]
    Include {
        /// The entry as it was asked for.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// More files than a call works on.
    #[error("{root} has more than {limit} source files")]
    TooLarge {
        /// The project.
        root: String,
        /// How many a call works on.
        limit: usize,
    },
    /// Its disk does not answer.
    #[error("path: {path} was not read within {limit:?}")]
    NoAnswer {
        /// The path as it was asked for.
        path: String,
        /// How long was waited.
        limit: Duration,
    },
}

error_table! { ProjectError,
    NotFound => InvalidArgument PROJECT_UNUSABLE,
        "name an absolute path of a folder, or of a file in it, that this machine has";
    OutsideRoots => PermissionDenied OUTSIDE_ROOTS,
        "work below one of evolution.roots, or add the folder to that list in shim.toml and restart the stack";
    Manifest => InvalidArgument PROJECT_UNUSABLE,
        "correct the file, then call again";
    Include => InvalidArgument PROJECT_UNUSABLE,
        "name files and folders of the project, relative to `path`";
    TooLarge => InvalidArgument PROJECT_UNUSABLE,
        "name fewer files or folders with `include`";
    NoAnswer => DeadlineExceeded TOOL_TIMED_OUT,
        "see whether its disk answers, by `ls` of that folder for example; then call again";
}
