//! The errors of the coordination service, and what each is in gRPC.

use shim_runtime::error_table;

/// A call that the coordination service refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CoordinationError {
    /// The store refuses or fails.
    #[error(transparent)]
    Store(#[from] shim_store::Error),
    /// Other holders lease some of the files; the text names them.
    #[error("the files are leased: {0}")]
    FilesHeld(String),
}

error_table! { CoordinationError (transparent: Store),
    FilesHeld => Aborted FILES_HELD,
        "work on other files, set wait, or send the holder a message", retry 1_000;
}
