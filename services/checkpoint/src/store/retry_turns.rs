//! Turns of callers that lost a race for a session's head, in a table of fixed size.

use shim_runtime::ids::SessionId;
use tokio::sync::Mutex;

/// Sessions share turns by their ids; two that share one wait for each other's retries only.
const TURNS: usize = 64;

/// The turns of callers that lost a race for a head.
#[derive(Debug)]
pub(crate) struct RetryTurns([Mutex<()>; TURNS]);

impl Default for RetryTurns {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(())))
    }
}

impl RetryTurns {
    pub(super) fn of(&self, session: SessionId) -> &Mutex<()> {
        // The last byte of a UUIDv7 is random.
        let last = session.uuid().as_bytes()[15];
        &self.0[usize::from(last) % TURNS]
    }
}
