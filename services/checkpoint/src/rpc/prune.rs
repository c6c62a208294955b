//! Prune: dropping what is old on request, session by session, so that saves get their turn between.

use std::time::Duration;

use shim_proto::checkpoint::v1::{PruneRequest, PruneResponse, SessionStatus};
use tonic::Status;
use uuid::Uuid;

use super::Api;
use super::fields::Fields;
use crate::domain::time::{UnixMicros, to_unix_micros};
use crate::error::Error;
use crate::store::idempotency::{self, IdempotencyKey};
use crate::store::pruning;
use crate::store::sessions::{self, StoredSession};

const DEFAULT_AGE: Duration = Duration::from_secs(30 * 24 * 3600);
const DEFAULT_KEEP: u32 = 10;
const MAX_KEEP: u32 = 1_000_000;
const SESSIONS_AT_ONCE: u32 = 100;

/// What to drop.
#[derive(Clone, Copy)]
struct PruneRule {
    before: UnixMicros,
    keep_last: usize,
    delete_ended: bool,
    dry_run: bool,
}

pub(super) async fn handle(api: &Api, request: PruneRequest) -> Result<PruneResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let only = fields.optional_uuid("session_id", &request.session_id);
    let age = match request.older_than.map(Duration::try_from) {
        None => DEFAULT_AGE,
        Some(Ok(age)) => age,
        Some(Err(_)) => {
            fields.refuse("older_than", "must not be negative");
            DEFAULT_AGE
        }
    };
    if request.keep_last > MAX_KEEP {
        fields.refuse(
            "keep_last",
            format!("is {}, at most {MAX_KEEP} is allowed", request.keep_last),
        );
    }
    fields.finish()?;

    let keep = if request.keep_last == 0 {
        DEFAULT_KEEP
    } else {
        request.keep_last
    };
    let rule = PruneRule {
        before: api.store.now().minus(age),
        keep_last: keep as usize,
        delete_ended: request.delete_ended_sessions,
        dry_run: request.dry_run,
    };
    let key = IdempotencyKey::new("Prune", &request.request_id, &request);
    // Pruning again what a cut-off try has pruned finds nothing; only the finished answer is remembered.
    let previous = {
        let key = key.clone();
        api.store
            .read(move |db| idempotency::replay(db, &key))
            .await?
    };
    if let Some(response) = previous {
        return Ok(response);
    }
    let total = prune_all(api, only, rule).await?;
    Ok(api.store.mutate(key, 0, move |_, _| Ok(total)).await?)
}

async fn prune_all(api: &Api, only: Option<Uuid>, rule: PruneRule) -> Result<PruneResponse, Error> {
    let mut total = PruneResponse::default();
    let mut after = 0;
    loop {
        let sessions = match only {
            Some(id) => vec![api.store.read(move |db| sessions::find(db, id)).await?],
            None => {
                api.store
                    .read(move |db| sessions::after_row(db, after, SESSIONS_AT_ONCE))
                    .await?
            }
        };
        let Some(last) = sessions.last() else {
            return Ok(total);
        };
        after = last.row_id;
        for stored in sessions {
            let pruned = api
                .store
                .write(0, move |db, now| prune_one(db, stored.row_id, rule, now))
                .await?;
            total.thinned_checkpoints += pruned.thinned_checkpoints;
            total.deleted_sessions += pruned.deleted_sessions;
            total.freed_bytes += pruned.freed_bytes;
        }
        if only.is_some() {
            return Ok(total);
        }
    }
}

/// Looks at the session again inside the transaction: it may have changed since it was listed.
fn prune_one(
    db: &rusqlite::Connection,
    row_id: i64,
    rule: PruneRule,
    now: UnixMicros,
) -> Result<PruneResponse, Error> {
    let stored = match sessions::by_row(db, row_id) {
        Err(Error::SessionNotFound(_) | Error::Damaged(_)) => return Ok(PruneResponse::default()),
        other => other?,
    };
    let contents = pruning::contents(db, row_id)?;
    if rule.delete_ended && is_over(&stored, rule.before) {
        if rule.dry_run {
            return Ok(PruneResponse {
                deleted_sessions: 1,
                ..Default::default()
            });
        }
        let dropped = pruning::delete_session(db, &stored, "prune", now)?;
        return Ok(PruneResponse {
            deleted_sessions: 1,
            freed_bytes: dropped.bytes,
            ..Default::default()
        });
    }
    let old: Vec<u64> = contents[..contents.len().saturating_sub(rule.keep_last)]
        .iter()
        .filter(|(_, at)| *at < rule.before)
        .map(|(number, _)| *number)
        .collect();
    if rule.dry_run {
        return Ok(PruneResponse {
            thinned_checkpoints: old.len() as u64,
            ..Default::default()
        });
    }
    let dropped = pruning::thin(db, &stored, &old, "prune", now)?;
    Ok(PruneResponse {
        thinned_checkpoints: dropped.checkpoints,
        freed_bytes: dropped.bytes,
        ..Default::default()
    })
}

fn is_over(stored: &StoredSession, before: UnixMicros) -> bool {
    let session = &stored.session;
    let over = session.status() == SessionStatus::Ended
        || (session.status() == SessionStatus::Interrupted && session.dismissed_at.is_some());
    over && to_unix_micros(session.updated_at.as_ref()).is_some_and(|at| at < before)
}
