//! Logging of a lasting failure: a warning for the first attempt that fails, debug output for the rest.

use shim_store::Error;

/// Whether the present failure of a background task was logged already.
#[derive(Debug, Default)]
pub(crate) struct LogOnce {
    is_logged: bool,
}

impl LogOnce {
    /// Records how an attempt ended. An unreachable Redis is no warning here: the connection logs it.
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
