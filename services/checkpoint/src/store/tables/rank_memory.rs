//! What ranks the sessions of the recovery list, remembered for one database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::recovery::RankFacts;

/// Sessions that are remembered; then it begins anew.
const MAX_REMEMBERED: usize = 1_024;

/// A session of the recovery list.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) row_id: i64,
    pub(crate) project: String,
    pub(crate) facts: RankFacts,
    /// When it changed last, in microseconds.
    pub(super) updated_at: i64,
}

/// By the row of the session.
#[derive(Debug, Default)]
pub(crate) struct RankMemory(Mutex<HashMap<i64, Arc<Listed>>>);

impl RankMemory {
    pub(super) fn get(&self, row_id: i64, updated_at: i64) -> Option<Arc<Listed>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(&row_id)?;
        (found.updated_at == updated_at).then(|| Arc::clone(found))
    }

    pub(super) fn put(&self, listed: Arc<Listed>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.insert(listed.row_id, listed);
    }

    pub(super) fn has(&self, row_id: i64) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains_key(&row_id)
    }

    pub(super) fn forget(&self, row_id: i64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&row_id);
    }
}
