//! The async runtime of commands that only make calls.

use crate::error::CliError;

/// Runs a command that only makes calls: one thread is enough for it.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}
