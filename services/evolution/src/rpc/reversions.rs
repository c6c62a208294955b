//! The reversions that are being made, so that an id of a request stands for one of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shim_proto::evolution::v1::RevertEvolutionRequest;
use shim_sqlite::SqliteError;

use crate::error::EvolutionError;

/// The reversions that are being made, by the ids of their requests. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Reverting(Arc<Mutex<Vec<RevertEvolutionRequest>>>);

/// A request that is being answered; it ends with this handle.
pub(super) struct Asked {
    all: Reverting,
    request: RevertEvolutionRequest,
}

impl Reverting {
    /// # Errors
    /// If its id is that of another request that is being answered.
    pub(super) fn begin(&self, request: &RevertEvolutionRequest) -> Result<Asked, EvolutionError> {
        let mut asked = self.lock();
        let has_its_id = |other: &&RevertEvolutionRequest| other.request_id == request.request_id;
        if asked
            .iter()
            .find(has_its_id)
            .is_some_and(|other| other != request)
        {
            let reused = SqliteError::RequestIdReused(request.request_id.clone());
            return Err(reused.into());
        }
        asked.push(request.clone());
        drop(asked);
        Ok(Asked {
            all: self.clone(),
            request: request.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<RevertEvolutionRequest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let mut asked = self.all.lock();
        if let Some(at) = asked.iter().position(|it| *it == self.request) {
            asked.swap_remove(at);
        }
    }
}
