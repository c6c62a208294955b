//! What is known of the end of sessions: causes that are found later, and what waits to be brought back.

use std::sync::Arc;

use rusqlite::OptionalExtension;
use shim_proto::checkpoint::v1::{Interruption, SessionStatus, SignalRecord};
use shim_runtime::ids::SessionId;
use shim_sqlite::UnixMicros;

use super::checkpoint_store::Store;
use super::tables::projects::ProjectNames;
use super::tables::rank_facts;
use super::tables::rank_memory::Listed;
use super::tables::sessions::{self, Owner};
use super::tables::signals;
use crate::domain::recovery::is_aged_out;
use crate::error::Error;

/// More interrupted sessions of one project are not counted.
const MAX_COUNTED: usize = 100;

impl Store {
    /// Notes a better cause of an interruption, as long as the session waits at that epoch.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND; the store's failures.
    pub(crate) async fn amend_interruption(
        &self,
        owner: Owner,
        interruption: Interruption,
    ) -> Result<(), Error> {
        self.write(0, move |db, now| {
            let mut stored = sessions::find(db, owner.session)?;
            let session = &mut stored.session;
            let waits = session.status() == SessionStatus::Interrupted
                && session.epoch == owner.epoch.0
                && session.interruption.as_ref() != Some(&interruption);
            if waits {
                session.interruption = Some(interruption);
                sessions::update(db, &mut stored, now)?;
            }
            Ok(())
        })
        .await
    }

    /// How many sessions of a project wait to be brought back, at most a hundred, but for `own`.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn count_recoverable(
        &self,
        project: String,
        own: Option<SessionId>,
    ) -> Result<u32, Error> {
        let now = self.now();
        self.read(move |db| {
            let project = ProjectNames::of(db, &project)?;
            let own = match own {
                Some(own) => Some(sessions::find_short(db, own)?.row_id),
                None => None,
            };
            let found = rank_facts::of_project(db, &project, MAX_COUNTED)?;
            let waits = |listed: &&Arc<Listed>| {
                Some(listed.row_id) != own && !is_aged_out(&listed.facts, now)
            };
            let count = found.iter().filter(waits).count();
            Ok(u32::try_from(count).unwrap_or(u32::MAX))
        })
        .await
    }

    /// The newest snapshot of a session's signals with its assessment, if it can be read.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND; the store's failures.
    pub(crate) async fn newest_signals(
        &self,
        session: SessionId,
    ) -> Result<Option<SignalRecord>, Error> {
        self.read(move |db| {
            let row = sessions::find_short(db, session)?.row_id;
            let newest = signals::list(db, row, i64::MAX, 1)?.into_iter().next();
            Ok(newest.and_then(|(_, record)| record))
        })
        .await
    }

    /// When a session was restored last; `None` if it never was.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND; the store's failures.
    pub(crate) async fn restored_at(
        &self,
        session: SessionId,
    ) -> Result<Option<UnixMicros>, Error> {
        self.read(move |db| {
            let row = sessions::find_short(db, session)?.row_id;
            let at: Option<i64> = db
                .prepare_cached("SELECT max(created_at) FROM restores WHERE session = ?1")?
                .query_row([row], |row| row.get(0))
                .optional()?
                .flatten();
            Ok(at.map(UnixMicros))
        })
        .await
    }
}
