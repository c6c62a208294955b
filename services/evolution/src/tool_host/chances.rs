//! The second chances of a call, each of which it has once.

use std::time::Duration;

use tokio::time::Instant;

use super::answers::AnswerFailure;
use super::error::HostError;

/// What a call may do once more.
#[derive(Debug, Default)]
pub(super) struct Chances {
    /// The host died during the call already, or before it arrived.
    is_repeated: bool,
    /// The tools were installed anew for it already.
    is_renewed: bool,
    /// When its time is up: counted from the first host that it was passed to.
    deadline: Option<Instant>,
}

impl Chances {
    /// Whether the call is made once more after this failure: only the first death of a host is followed by another try.
    pub(super) fn repeat_after(&mut self, failure: &HostError) -> bool {
        let HostError::Died { how, method } = failure else {
            return false;
        };
        if self.is_repeated {
            return false;
        }
        tracing::warn!(
            how,
            method,
            "the tool host died; the call is made once more"
        );
        self.is_repeated = true;
        true
    }

    /// Whether the tools are to be installed anew after this failure.
    pub(super) fn renew_after(&mut self, failure: &AnswerFailure) -> bool {
        let AnswerFailure::PackageMissing(why) = failure else {
            return false;
        };
        if self.is_renewed {
            return false;
        }
        tracing::warn!(%why, "the installed tools are not whole; they are installed anew");
        self.is_renewed = true;
        true
    }

    /// When the time of a call with this limit is up.
    pub(super) fn deadline(&mut self, limit: Duration) -> Instant {
        *self.deadline.get_or_insert_with(|| Instant::now() + limit)
    }
}
