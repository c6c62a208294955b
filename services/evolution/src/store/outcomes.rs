//! What became of evolutions, by transform and project.

use std::time::Duration;

use rusqlite::{Connection, params};
use shim_sqlite::UnixMicros;

use super::evolution_store::Store;
use crate::domain::patterns::{Outcome, OutcomeRecord};
use crate::error::EvolutionError;

/// More are never read for one answer: the newest count most.
const MAX_READ: u32 = 100_000;

/// Keeps what became of an evolution, in place of what was kept of it before: one that was accepted and taken back counts
/// as taken back.
pub(super) fn record(
    db: &Connection,
    evolution: &str,
    transform: &str,
    root: &str,
    outcome: Outcome,
    now: UnixMicros,
) -> Result<(), EvolutionError> {
    db.prepare_cached(
        "INSERT INTO outcomes (evolution, transform, root, outcome, at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (evolution) DO UPDATE SET outcome = ?4, at = ?5",
    )?
    .execute(params![evolution, transform, root, outcome.number(), now.0])?;
    Ok(())
}

impl Store {
    /// All outcomes, the newest first, of one transform if it is named.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn outcomes(
        &self,
        transform: Option<String>,
    ) -> Result<Vec<OutcomeRecord>, EvolutionError> {
        self.read(move |db| {
            let mut statement = db.prepare_cached(
                "SELECT transform, root, outcome, at FROM outcomes
                 WHERE ?1 IS NULL OR transform = ?1 ORDER BY at DESC LIMIT ?2",
            )?;
            let rows = statement.query_map(params![transform, MAX_READ], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?;
            let mut records = Vec::new();
            for row in rows {
                let (transform, root, number, at): (String, String, i64, i64) = row?;
                // A newer version may know further ones.
                let Some(outcome) = Outcome::from_number(number) else {
                    continue;
                };
                records.push(OutcomeRecord {
                    transform,
                    root,
                    outcome,
                    at_micros: at,
                });
            }
            Ok(records)
        })
        .await
    }

    /// Forgets outcomes older than `age`.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn forget_outcomes(&self, age: Duration) -> Result<(), EvolutionError> {
        let before = self.now().minus(age);
        self.write(0, move |db, _| {
            db.execute("DELETE FROM outcomes WHERE at < ?1", [before.0])?;
            Ok(())
        })
        .await
    }
}
