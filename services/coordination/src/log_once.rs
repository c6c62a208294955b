//! A failure that lasts is logged once.

use shim_store::Error;

/// Whether a background task is in trouble that was told already.
#[derive(Debug, Default)]
pub(crate) struct LogOnce {
    is_logged: bool,
}

impl LogOnce {
    /// Notes how an attempt ended. That Redis is away is told by its connection.
    pub(crate) fn record(&mut self, what: &str, done: Result<(), Error>) {
        let Err(error) = done else {
            self.is_logged = false;
            return;
        };
        if self.is_logged || matches!(error, Error::Unavailable(_)) {
            tracing::debug!(%error, "{what}");
        } else {
            tracing::warn!(%error, "{what}; trying again");
        }
        self.is_logged = true;
    }
}
