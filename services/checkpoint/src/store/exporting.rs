//! Pages of what an archive holds.

use rusqlite::Connection;
use shim_proto::checkpoint::v1::ArchivedCheckpoint;
use shim_runtime::ids::SessionId;

use super::checkpoint_store::Store;
use super::signalling::SignalPage;
use super::tables::checkpoints::{self, CheckpointRow};
use super::tables::sessions;
use super::tables::signals;
use super::tables::stored_session::StoredSession;
use crate::domain::hash_chain;
use crate::error::Error;

impl Store {
    /// The session with this id, with its row.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND, CHECKPOINT_DAMAGED; the store's failures.
    pub(crate) async fn stored_session(&self, id: SessionId) -> Result<StoredSession, Error> {
        self.read(move |db| sessions::find(db, id)).await
    }

    /// Up to `limit` sessions in rows above `after`, in the order they were opened.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn sessions_after(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<StoredSession>, Error> {
        self.read(move |db| sessions::after_row(db, after, limit))
            .await
    }

    /// The same for an archive, which must not look whole when it is not.
    ///
    /// # Errors
    /// CHECKPOINT_DAMAGED if the row of a session cannot be read; the store's failures.
    pub(crate) async fn intact_sessions_after(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<StoredSession>, Error> {
        self.read(move |db| sessions::intact_after_row(db, after, limit))
            .await
    }

    /// Up to `limit` checkpoints of the session in row `session` with numbers above `after`, ascending, with their numbers.
    ///
    /// # Errors
    /// CHECKPOINT_DAMAGED, naming the checkpoint: an archive must not look whole when it is not; the store's failures.
    pub(crate) async fn archived_checkpoints(
        &self,
        session: i64,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, Result<ArchivedCheckpoint, Error>)>, Error> {
        self.read(move |db| {
            let rows = checkpoints::after_number(db, session, after, limit)?;
            Ok(rows
                .iter()
                .map(|row| (row.number, to_archived(db, row)))
                .collect())
        })
        .await
    }

    /// Up to `limit` snapshots of the session in row `session` in rows above `after`, ascending.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn archived_signals(
        &self,
        session: i64,
        after: i64,
        limit: u32,
    ) -> Result<SignalPage, Error> {
        self.read(move |db| signals::after_row(db, session, after, limit))
            .await
    }
}

fn to_archived(db: &Connection, row: &CheckpointRow) -> Result<ArchivedCheckpoint, Error> {
    let state_hash = hash_chain::hex(&row.state_hash()?);
    let (checkpoint, state) = match row.decode(db) {
        Err(Error::Thinned(_)) => (row.header()?, None),
        other => other.map(|(checkpoint, state)| (checkpoint, Some(state)))?,
    };
    Ok(ArchivedCheckpoint {
        checkpoint: Some(checkpoint),
        state,
        state_hash,
    })
}
