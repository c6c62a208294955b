//! The life of an evolution in the database: proposed, and then from one state to the next.

use prost_types::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use shim_proto::evolution::v1::{Evolution, EvolutionState};
use shim_proto::limits::evolution::MAX_EVOLUTIONS;
use shim_sqlite::UnixMicros;

use super::codec::{self, Packed};
use super::evolution_store::Store;
use super::outcomes;
use crate::domain::patterns::{Outcome, outcome_of, state_word};
use crate::error::EvolutionError;
use crate::metrics;

pub(super) const COLUMNS: &str = "id, request_id, record, diffs, hash";

/// An evolution as it is stored.
pub(crate) struct Found {
    /// The evolution with its diffs.
    pub(crate) evolution: Evolution,
    /// The request that changed its state last; empty for one that was just proposed.
    pub(crate) request_id: String,
}

/// A change of an evolution's state.
pub(crate) struct StateChange {
    /// The evolution's whole id.
    pub(crate) evolution_id: String,
    /// The state that it must be in.
    pub(crate) from: EvolutionState,
    /// The state that follows.
    pub(crate) to: EvolutionState,
    /// The request on whose behalf it is; empty for the service's own.
    pub(crate) request_id: String,
}

impl Store {
    /// Keeps a proposal under a new id. A proposal that is there already, with the same changes from the same commit and
    /// undecided, is answered instead: proposing twice makes one.
    ///
    /// # Errors
    /// If it is larger than what is kept; the store's failures.
    pub(crate) async fn insert_proposal(
        &self,
        mut evolution: Evolution,
    ) -> Result<Evolution, EvolutionError> {
        evolution.evolution_id = uuid::Uuid::now_v7().to_string();
        evolution.set_state(EvolutionState::Proposed);
        let now = Some(Timestamp::from(self.now()));
        (evolution.proposed_at, evolution.updated_at) = (now, now);
        let packed = codec::pack(evolution.clone())?;
        let bytes = packed.record.len() + packed.diffs.len();
        self.write(bytes, move |db, now| {
            if let Some(same) = same_proposal(db, &packed.content)? {
                return Ok(same);
            }
            insert(db, &evolution, &packed, now)?;
            Ok(evolution)
        })
        .await
    }

    /// The evolution whose id is `given`, or begins or ends with it, with its diffs.
    ///
    /// # Errors
    /// If there is none or several; damage; the store's failures.
    pub(crate) async fn evolution(&self, given: &str) -> Result<Found, EvolutionError> {
        let given = given.to_ascii_lowercase();
        self.read(move |db| find(db, &given)).await
    }

    /// Changes the state of an evolution that is in the state `change.from`, with `update` for whatever else changes, and
    /// keeps what the change says of its transform. The diffs stay, but for the paths that `update` leaves out.
    ///
    /// # Errors
    /// If it is in another state; damage; the store's failures.
    pub(crate) async fn change_state(
        &self,
        change: StateChange,
        update: impl FnOnce(&mut Evolution) + Send + 'static,
    ) -> Result<Evolution, EvolutionError> {
        self.write(0, move |db, now| {
            let found = find(db, &change.evolution_id)?;
            let mut evolution = found.evolution;
            if evolution.state() != change.from {
                return Err(EvolutionError::WrongState {
                    evolution: evolution.evolution_id,
                    state: state_word(
                        EvolutionState::try_from(evolution.state).unwrap_or_default(),
                    ),
                    expected: state_word(change.from),
                });
            }
            update(&mut evolution);
            evolution.set_state(change.to);
            evolution.updated_at = Some(now.into());
            save(db, &evolution, &change.request_id, now)?;
            if let Some(outcome) = outcome_of(change.from, change.to) {
                record_outcome(db, &evolution, outcome, now)?;
            }
            Ok(evolution)
        })
        .await
    }

    /// Removes up to `limit` evolutions beyond the bound: first decided ones, then undecided ones, the oldest first.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn prune_evolutions(&self, limit: u32) -> Result<u32, EvolutionError> {
        self.write(0, move |db, _| {
            let count: u32 =
                db.query_row("SELECT count(*) FROM evolutions", [], |row| row.get(0))?;
            let over = count.saturating_sub(MAX_EVOLUTIONS).min(limit);
            if over == 0 {
                return Ok(0);
            }
            // One that is being applied is never removed; a committed one goes last, for its revert needs it.
            let removed = db.execute(
                "DELETE FROM evolutions WHERE row_id IN (
                     SELECT row_id FROM evolutions WHERE state <> 2
                     ORDER BY CASE state WHEN 1 THEN 1 WHEN 3 THEN 2 ELSE 0 END, row_id LIMIT ?1)",
                [over],
            )?;
            Ok(u32::try_from(removed).unwrap_or(limit))
        })
        .await
    }
}

fn same_proposal(db: &Connection, content: &[u8; 32]) -> Result<Option<Evolution>, EvolutionError> {
    let sql = format!("SELECT {COLUMNS} FROM evolutions WHERE content = ?1 AND state = 1");
    let row = db
        .prepare_cached(&sql)?
        .query_row([content.as_slice()], StoredRow::read)
        .optional()?;
    row.map(|row| row.whole().map(|found| found.evolution))
        .transpose()
}

fn insert(
    db: &Connection,
    evolution: &Evolution,
    packed: &Packed,
    now: UnixMicros,
) -> Result<(), EvolutionError> {
    let root = evolution
        .project
        .as_ref()
        .map_or("", |project| &project.root);
    db.prepare_cached(
        "INSERT INTO evolutions (id, root, transform, state, content, request_id, proposed_at, updated_at, record, diffs, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, '', ?6, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        evolution.evolution_id,
        root,
        evolution.transform,
        evolution.state,
        packed.content.as_slice(),
        now.0,
        packed.record,
        packed.diffs,
        packed.hash.as_slice(),
    ])?;
    Ok(())
}

fn save(
    db: &Connection,
    evolution: &Evolution,
    request_id: &str,
    now: UnixMicros,
) -> Result<(), EvolutionError> {
    let packed = codec::pack(evolution.clone())?;
    db.prepare_cached(
        "UPDATE evolutions SET state = ?2, request_id = ?3, updated_at = ?4, record = ?5, diffs = ?6, hash = ?7 WHERE id = ?1",
    )?
    .execute(params![
        evolution.evolution_id,
        evolution.state,
        request_id,
        now.0,
        packed.record,
        packed.diffs,
        packed.hash.as_slice(),
    ])?;
    Ok(())
}

fn record_outcome(
    db: &Connection,
    evolution: &Evolution,
    outcome: Outcome,
    now: UnixMicros,
) -> Result<(), EvolutionError> {
    let root = evolution
        .project
        .as_ref()
        .map_or("", |project| &project.root);
    shim_sqlite::after_commit(move || metrics::record_outcome(outcome));
    outcomes::record(
        db,
        &evolution.evolution_id,
        &evolution.transform,
        root,
        outcome,
        now,
    )
}

/// Finds by the beginning or the end of an id: those of one hour begin alike.
fn find(db: &Connection, given: &str) -> Result<Found, EvolutionError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM evolutions WHERE row_id IN (
             SELECT row_id FROM evolutions
             WHERE substr(id, 1, length(?1)) = ?1 OR substr(id, -length(?1)) = ?1) LIMIT 100"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([given], StoredRow::read)?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    match (rows.len(), rows.pop()) {
        (1, Some(row)) => row.whole(),
        (0, _) | (_, None) => Err(EvolutionError::EvolutionUnknown(given.to_owned())),
        (count, _) => Err(EvolutionError::EvolutionAmbiguous {
            given: given.to_owned(),
            count,
        }),
    }
}

/// The columns of [`COLUMNS`].
pub(super) struct StoredRow {
    id: String,
    request_id: String,
    record: Vec<u8>,
    diffs: Vec<u8>,
    hash: Vec<u8>,
}

impl StoredRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            request_id: row.get(1)?,
            record: row.get(2)?,
            diffs: row.get(3)?,
            hash: row.get(4)?,
        })
    }

    /// Without diffs.
    pub(super) fn head(&self) -> Result<Evolution, EvolutionError> {
        codec::unpack_head(&self.id, &self.record, &self.diffs, &self.hash)
    }

    fn whole(self) -> Result<Found, EvolutionError> {
        let mut evolution = self.head()?;
        codec::unpack_diffs(&self.id, &mut evolution, &self.diffs)?;
        Ok(Found {
            evolution,
            request_id: self.request_id,
        })
    }
}
