//! Why a file gives no transcript.

use std::path::PathBuf;

use shim_runtime::data_dir::OpenError;

/// Why a file gives no transcript.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// None of its lines is one of a transcript.
    #[error("it is no transcript of Claude Code: none of its lines names a session")]
    Foreign,
    /// It is the transcript of a subagent alone, whose conversation is in this file.
    #[error("it is the transcript of a subagent; the conversation's own is {}", .0.display())]
    OfSubagent(PathBuf),
}
