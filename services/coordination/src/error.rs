//! The errors of the coordination service, and the gRPC status of each.

use shim_runtime::error_table;

/// Why the coordination service refuses a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CoordinationError {
    /// The store refuses or fails.
    #[error(transparent)]
    Store(#[from] shim_store::Error),
    /// Other holders lease some of the files; the text names patterns and holders.
    #[error("the files are leased: {0}")]
    FilesHeld(String),
}

error_table! { CoordinationError (transparent: Store),
    FilesHeld => Aborted FILES_HELD,
        "work on other files, set wait, or send the holder a message", retry 1_000;
}
