//! Appends that were prepared on a reader: they hold only while their session's head stays where the reader saw it.
//!
//! The first try takes no turn. After a lost race the caller waits for its turn among the losers of the same session, so
//! that each further round has one of them, not all, pack a state.

use shim_runtime::ids::SessionId;

use super::checkpoint_store::Store;
use super::tables::stored_session::StoredSession;
use crate::error::Error;

/// Tries before the caller is refused. A try loses only to an append that succeeds.
const MAX_TRIES: usize = 32;
/// Refuses unless the session's head is still `head`.
pub(super) fn require_head(stored: &StoredSession, head: u64) -> Result<(), Error> {
    if stored.session.head_number == head {
        Ok(())
    } else {
        Err(Error::HeadMoved(stored.session.id.clone()))
    }
}

impl Store {
    /// Runs `attempt`, which prepares on a reader and then appends, until the head stays where it was meanwhile.
    ///
    /// # Errors
    /// What `attempt` refuses; [`Error::HeadMoved`] after [`MAX_TRIES`] lost races.
    pub(super) async fn retry_moved_head<R, F>(
        &self,
        session: SessionId,
        attempt: impl Fn() -> F,
    ) -> Result<R, Error>
    where
        F: Future<Output = Result<R, Error>>,
    {
        match attempt().await {
            Err(Error::HeadMoved(_)) => {}
            done => return done,
        }
        let _turn = self.retry_turns.of(session).lock().await;
        for _ in 2..MAX_TRIES {
            match attempt().await {
                Err(Error::HeadMoved(_)) => {}
                done => return done,
            }
        }
        attempt().await
    }
}
