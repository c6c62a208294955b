//! Trouble that lasts is told once.

use shim_store::Error;

/// Whether a background task is in trouble that was told already.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    is_told: bool,
}

impl Trouble {
    /// Notes how an attempt ended. That Redis is away is told by its connection.
    pub(crate) fn note(&mut self, what: &str, done: Result<(), Error>) {
        let Err(error) = done else {
            self.is_told = false;
            return;
        };
        if self.is_told || matches!(error, Error::Unavailable(_)) {
            tracing::debug!(%error, "{what}");
        } else {
            tracing::warn!(%error, "{what}; trying again");
        }
        self.is_told = true;
    }
}
