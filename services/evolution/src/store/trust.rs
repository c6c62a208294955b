//! Whether a project's own code may run, as somebody decided.

use std::sync::PoisonError;

use prost::Message;
use rusqlite::params;
use shim_sqlite::idempotency::IdempotencyKey;

use super::evolution_store::Store;
use crate::error::EvolutionError;

impl Store {
    /// What was decided about the project with this root; `None` if nobody was asked yet.
    pub(crate) fn trust_of(&self, root: &str) -> Option<bool> {
        let known = self.trust.read().unwrap_or_else(PoisonError::into_inner);
        known.get(root).copied()
    }

    /// Keeps a decision, and answers `response`.
    ///
    /// # Errors
    /// If the request id was used for another request; the store's failures.
    pub(crate) async fn decide_trust<R: Message + Default + 'static>(
        &self,
        key: IdempotencyKey,
        root: String,
        is_trusted: bool,
        response: R,
    ) -> Result<R, EvolutionError> {
        let known = self.trust.clone();
        self.mutate(key, 0, move |db, now| {
            db.execute(
                "INSERT INTO trust (root, is_trusted, decided_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (root) DO UPDATE SET is_trusted = ?2, decided_at = ?3",
                params![root, is_trusted, now.0],
            )?;
            shim_sqlite::after_commit(move || {
                let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
                known.insert(root, is_trusted);
            });
            Ok(response)
        })
        .await
    }
}
