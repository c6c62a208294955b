//! Dropping what has served its time, on request and by the janitor, in small steps: a save waits for one of them.

use rusqlite::Connection;
use shim_proto::checkpoint::v1::{PruneRequest, PruneResponse, SessionStatus};
use shim_runtime::ids::SessionId;
use shim_sqlite::idempotency::{self, IdempotencyKey};
use shim_sqlite::{SqliteError, UnixMicros, to_unix_micros};

use super::checkpoint_store::{Prepared, Store};
use super::tables::pruning::{self, PruneStats};
use super::tables::sessions;
use super::tables::stored_session::StoredSession;
use crate::error::Error;

const SESSIONS_AT_ONCE: u32 = 100;
/// Freed pages given back in one change, and how many such changes there are at most.
const STEP_PAGES: u32 = 500;
const MAX_STEPS: usize = 40;

/// What a request wants dropped.
#[derive(Clone, Copy)]
pub(crate) struct PruneRule {
    /// Only what is older is dropped.
    pub(crate) before: UnixMicros,
    /// So many of a session's newest contents stay.
    pub(crate) keep_last: usize,
    /// Ended and dismissed sessions are deleted whole.
    pub(crate) delete_ended: bool,
    /// Nothing is dropped, only counted.
    pub(crate) dry_run: bool,
}

impl Store {
    /// Prunes one session, or all of them one by one. A repetition of a try that was cut off finds less to prune; only a
    /// finished answer is remembered.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND; the store's failures.
    pub(crate) async fn prune(
        &self,
        only: Option<SessionId>,
        rule: PruneRule,
        request: PruneRequest,
    ) -> Result<PruneResponse, Error> {
        let key = IdempotencyKey::new("Prune", &request.request_id, &request);
        if let Prepared::Answered(response) = self.prepare(&key, |_| Ok(())).await? {
            return Ok(response);
        }
        let total = match only {
            Some(id) => {
                let stored = self.stored_session(id).await?;
                self.prune_session(stored.row_id, rule).await?
            }
            None => self.prune_all(rule).await?,
        };
        if total.thinned_checkpoints + total.deleted_sessions > 0 && !rule.dry_run {
            self.give_pages_back().await?;
        }
        self.use_reserve();
        self.mutate(key, 0, move |_, _| Ok(total)).await
    }

    /// Shrinks the file by what was dropped, step by step, so that the disk has room for the log of the next saves.
    ///
    /// # Errors
    /// The store's failures.
    pub(super) async fn give_pages_back(&self) -> Result<(), Error> {
        for _ in 0..MAX_STEPS {
            self.use_reserve();
            let left = self
                .write(0, |db, _| {
                    pruning::incremental_vacuum(db, STEP_PAGES)?;
                    pruning::free_pages(db)
                })
                .await?;
            if left == 0 {
                break;
            }
        }
        Ok(())
    }

    async fn prune_all(&self, rule: PruneRule) -> Result<PruneResponse, Error> {
        let (mut total, mut after) = (PruneResponse::default(), 0);
        loop {
            let sessions = self.sessions_after(after, SESSIONS_AT_ONCE).await?;
            let Some(last) = sessions.last() else {
                return Ok(total);
            };
            after = last.row_id;
            for stored in sessions {
                let pruned = self.prune_session(stored.row_id, rule).await?;
                total.thinned_checkpoints += pruned.thinned_checkpoints;
                total.deleted_sessions += pruned.deleted_sessions;
                total.freed_bytes += pruned.freed_bytes;
            }
        }
    }

    async fn prune_session(&self, row_id: i64, rule: PruneRule) -> Result<PruneResponse, Error> {
        self.use_reserve();
        self.write(0, move |db, now| prune_session(db, row_id, rule, now))
            .await
    }

    /// The checkpoints of a session that still have their content: (number, time), ascending.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn contents(&self, session: i64) -> Result<Vec<(u64, UnixMicros)>, Error> {
        self.read(move |db| pruning::contents(db, session)).await
    }

    /// Drops contents by retention. Answers how many there were.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn thin(
        &self,
        stored: StoredSession,
        numbers: Vec<u64>,
    ) -> Result<u64, Error> {
        self.write(0, move |db, now| {
            Ok(pruning::thin(db, &stored, &numbers, "retention", now)?.checkpoints)
        })
        .await
    }

    /// Gives up to `pages` freed pages back to the file system.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn release_pages(&self, pages: u32) -> Result<(), Error> {
        self.write(0, move |db, _| pruning::incremental_vacuum(db, pages))
            .await
    }

    /// Forgets the answers from before `before` among the `limit` request ids behind `after`. Answers with the last id
    /// looked at; `None` behind the last one.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn forget_answers(
        &self,
        after: String,
        before: UnixMicros,
        limit: u32,
    ) -> Result<Option<String>, Error> {
        let page = self
            .read(move |db| Ok(idempotency::page(db, &after, limit)?))
            .await?;
        let Some((last, _)) = page.last().cloned() else {
            return Ok(None);
        };
        let old = page.into_iter().filter(|(_, at)| *at < before);
        let old: Vec<String> = old.map(|(id, _)| id).collect();
        if !old.is_empty() {
            self.write(0, move |db, _| Ok(idempotency::delete(db, &old)?))
                .await?;
        }
        Ok(Some(last))
    }
}

/// Looks at the session again inside the transaction: it may have changed since it was listed.
fn prune_session(
    db: &Connection,
    row_id: i64,
    rule: PruneRule,
    now: UnixMicros,
) -> Result<PruneResponse, Error> {
    let stored = match sessions::by_row(db, row_id) {
        Err(Error::SessionNotFound(_) | Error::Store(SqliteError::Damaged(_))) => {
            return Ok(PruneResponse::default());
        }
        other => other?,
    };
    if rule.delete_ended && is_over(&stored, rule.before) {
        let dropped = if rule.dry_run {
            PruneStats::default()
        } else {
            pruning::delete_session(db, &stored, "prune_session", now)?
        };
        return Ok(PruneResponse {
            deleted_sessions: 1,
            freed_bytes: dropped.bytes,
            ..Default::default()
        });
    }
    let old = old_contents(db, row_id, rule)?;
    let dropped = if rule.dry_run {
        PruneStats {
            checkpoints: old.len() as u64,
            bytes: 0,
        }
    } else {
        pruning::thin(db, &stored, &old, "prune", now)?
    };
    Ok(PruneResponse {
        thinned_checkpoints: dropped.checkpoints,
        freed_bytes: dropped.bytes,
        ..Default::default()
    })
}

/// The numbers of the contents that the rule drops.
fn old_contents(db: &Connection, row_id: i64, rule: PruneRule) -> Result<Vec<u64>, Error> {
    let contents = pruning::contents(db, row_id)?;
    let droppable = contents.len().saturating_sub(rule.keep_last);
    Ok(contents[..droppable]
        .iter()
        .filter(|(_, at)| *at < rule.before)
        .map(|(number, _)| *number)
        .collect())
}

fn is_over(stored: &StoredSession, before: UnixMicros) -> bool {
    let session = &stored.session;
    let over = session.status() == SessionStatus::Ended
        || (session.status() == SessionStatus::Interrupted && session.dismissed_at.is_some());
    over && to_unix_micros(session.updated_at.as_ref()).is_some_and(|at| at < before)
}
