//! Reading sessions and checkpoints.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use shim_proto::checkpoint::v1::{FieldChange, Session, SessionStatus};
use shim_runtime::ids::{CheckpointId, SessionId};

use super::checkpoint_store::Store;
use super::tables::checkpoints::{self, HistoryPage, IntactCheckpoint};
use super::tables::gaps::{self, MissingNumbers};
use super::tables::sessions::{self, Cursor, SessionFilter};
use super::tables::stored_session::StoredSession;
use crate::domain::diff::diff;
use crate::error::Error;

/// A checkpoint to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CheckpointRef {
    /// The one with this id.
    Id(CheckpointId),
    /// The one with this number in the session.
    Number(SessionId, u64),
    /// The newest of the session that is intact.
    Newest(SessionId),
}

impl Store {
    /// The session with this id.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND, CHECKPOINT_DAMAGED; the store's failures.
    pub(crate) async fn find_session(&self, id: SessionId) -> Result<Session, Error> {
        self.read(move |db| Ok(sessions::find(db, id)?.session))
            .await
    }

    /// Up to `limit` sessions behind `after`, most recently changed first, and how many rows were damaged.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn list_sessions(
        &self,
        filter: SessionFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<(Vec<StoredSession>, u32), Error> {
        self.read(move |db| sessions::list(db, &filter, after, limit))
            .await
    }

    /// What is missing of these sessions' checkpoints.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn missing_numbers(
        &self,
        sessions: Vec<StoredSession>,
    ) -> Result<Vec<MissingNumbers>, Error> {
        self.read(move |db| {
            let found = sessions.iter().map(|stored| gaps::of_session(db, stored));
            let found: Result<Vec<_>, Error> = found.collect();
            Ok(found?.into_iter().flatten().collect())
        })
        .await
    }

    /// Sessions that had an owner when the service last ran.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn active_sessions(&self) -> Result<Vec<Session>, Error> {
        let active = self.read(sessions::active).await?;
        Ok(active.into_iter().map(|stored| stored.session).collect())
    }

    /// How many sessions there are in each state, read from all rows.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn count_sessions(&self) -> Result<Vec<(SessionStatus, u32)>, Error> {
        self.read(sessions::count_by_status).await
    }

    /// A checkpoint with its content. For the newest one, also the numbers of newer ones that are damaged.
    ///
    /// # Errors
    /// CHECKPOINT_NOT_FOUND, CHECKPOINT_THINNED, CHECKPOINT_DAMAGED, SESSION_NOT_FOUND; the store's failures.
    pub(crate) async fn get_checkpoint(
        &self,
        wanted: CheckpointRef,
    ) -> Result<IntactCheckpoint, Error> {
        self.read(move |db| {
            let row = match wanted {
                CheckpointRef::Newest(session) => {
                    return checkpoints::newest_intact(db, &sessions::find(db, session)?);
                }
                CheckpointRef::Number(session, number) => {
                    checkpoints::by_number(db, &sessions::find(db, session)?, number)?
                }
                CheckpointRef::Id(id) => checkpoints::by_id(db, id)?,
            };
            let (checkpoint, state) = row.decode(db)?;
            Ok((checkpoint, state, Vec::new()))
        })
        .await
    }

    /// Up to `limit` headers of a session with numbers below `before`, newest first, and the numbers of damaged ones.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND; the store's failures.
    pub(crate) async fn list_checkpoints(
        &self,
        session: SessionId,
        before: u64,
        limit: u32,
    ) -> Result<HistoryPage, Error> {
        self.read(move |db| checkpoints::list(db, &sessions::find(db, session)?, before, limit))
            .await
    }

    /// The fields in which two checkpoints differ.
    ///
    /// # Errors
    /// CHECKPOINT_NOT_FOUND, CHECKPOINT_THINNED, CHECKPOINT_DAMAGED; the store's failures.
    pub(crate) async fn diff_checkpoints(
        &self,
        from: CheckpointId,
        to: CheckpointId,
    ) -> Result<Vec<FieldChange>, Error> {
        self.read(move |db| {
            let (_, from) = checkpoints::by_id(db, from)?.decode(db)?;
            let (_, to) = checkpoints::by_id(db, to)?.decode(db)?;
            Ok(diff(&from, &to))
        })
        .await
    }
}

/// What is missing of each session's checkpoints in a database that a service may be using.
///
/// # Errors
/// The store's failures.
pub(crate) fn missing_numbers(database: &Path) -> Result<Vec<MissingNumbers>, Error> {
    let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    gaps::of_all(&db)
}
