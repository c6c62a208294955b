//! Session rows: sealed records, found by id, project or the recovery list.

use prost::Message;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};
use shim_proto::checkpoint::v1::{Interruption, Session, SessionStatus};
use shim_runtime::ids::{Epoch, SessionId};

use super::projects::ProjectNames;
use super::seals::{self, Before};
use super::stored_session::{Indexed, StoredSession};
use super::{column, memory, task_texts};
use crate::domain::hash_chain;
use crate::domain::recovery::is_recoverable;
use crate::error::Error;
use crate::metrics;
use shim_sqlite::{UnixMicros, to_unix_micros};

/// The owner of a session: the client that got this epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) session: SessionId,
    pub(crate) epoch: Epoch,
}

impl Owner {
    pub(crate) fn new(session: SessionId, epoch: u64) -> Self {
        Self {
            session,
            epoch: Epoch(epoch),
        }
    }
}

const COLUMNS: &str = "row_id, record, hash";

fn decode(row: &Row<'_>) -> rusqlite::Result<Result<StoredSession, i64>> {
    let row_id: i64 = row.get(0)?;
    let record = column::bytes(row, 1)?.unwrap_or_default();
    let hash = column::bytes(row, 2)?.unwrap_or_default();
    if hash_chain::hash(record) != hash {
        return Ok(Err(row_id));
    }
    Ok(Session::decode(record)
        .map(|session| StoredSession {
            row_id,
            indexed: Indexed::of(&session),
            session,
        })
        .map_err(|_| row_id))
}

/// Refuses a damaged row, logs and counts it.
fn verified(found: Result<StoredSession, i64>) -> Result<StoredSession, Error> {
    found.map_err(|row_id| {
        tracing::error!(row_id, "a session row is damaged; it is not served");
        metrics::record_damage();
        Error::damaged(format!("session row {row_id}"))
    })
}

/// The session with this id.
pub(crate) fn find(db: &Connection, id: SessionId) -> Result<StoredSession, Error> {
    whole(db, find_short(db, id)?)
}

/// The session with what its record left to the headers of its checkpoints.
fn whole(db: &Connection, mut stored: StoredSession) -> Result<StoredSession, Error> {
    task_texts::fill(db, &mut stored)?;
    Ok(stored)
}

/// The session with this id, its tasks as its record keeps them.
pub(crate) fn find_short(db: &Connection, id: SessionId) -> Result<StoredSession, Error> {
    let sql = select("WHERE id = ?1");
    let found = db
        .prepare_cached(&sql)?
        .query_row([id.uuid().as_bytes()], decode)
        .optional()?;
    found.map_or_else(|| Err(Error::SessionNotFound(id.to_string())), verified)
}

/// The session in this row.
pub(crate) fn by_row(db: &Connection, row_id: i64) -> Result<StoredSession, Error> {
    whole(db, by_row_short(db, row_id)?)
}

/// The session in this row, its tasks as its record keeps them.
pub(crate) fn by_row_short(db: &Connection, row_id: i64) -> Result<StoredSession, Error> {
    let sql = select("WHERE row_id = ?1");
    let found = db
        .prepare_cached(&sql)?
        .query_row([row_id], decode)
        .optional()?;
    found.map_or_else(
        || Err(Error::SessionNotFound(format!("in row {row_id}"))),
        verified,
    )
}

fn select(filter: &str) -> String {
    format!("SELECT {COLUMNS} FROM sessions {filter}")
}

/// The session, if it was not ended and is this owner's; its tasks as its record keeps them.
pub(crate) fn require_owner(db: &Connection, owner: Owner) -> Result<StoredSession, Error> {
    let id = owner.session;
    let stored = find_short(db, id)?;
    if stored.session.epoch != owner.epoch.0 {
        return Err(Error::StaleOwner {
            session: id.to_string(),
            given: owner.epoch.0,
            current: stored.session.epoch,
        });
    }
    if stored.session.status() == SessionStatus::Ended {
        return Err(Error::SessionEnded(id.to_string()));
    }
    Ok(stored)
}

fn updated_at(session: &Session) -> i64 {
    to_unix_micros(session.updated_at.as_ref()).map_or(0, |m| m.0)
}

/// `attached` is set when an answer is made and never stored.
fn record(session: &Session) -> Vec<u8> {
    if !session.attached {
        return session.encode_to_vec();
    }
    let unattached = Session {
        attached: false,
        ..session.clone()
    };
    unattached.encode_to_vec()
}

/// Adds a session, in a row whose number no session had before.
pub(crate) fn insert(db: &Connection, session: Session) -> Result<StoredSession, Error> {
    let id: SessionId = session
        .id
        .parse()
        .map_err(|_| Error::SessionNotFound(session.id.clone()))?;
    let record = record(&session);
    db.prepare_cached(
        "INSERT INTO sessions (row_id, id, project, status, recoverable, updated_at, record, hash)
         VALUES (1 + max((SELECT coalesce(max(row_id), 0) FROM sessions), (SELECT highest FROM deleted_rows)),
             ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        id.uuid().as_bytes(),
        session.project,
        session.status,
        is_recoverable(&session),
        updated_at(&session),
        record,
        hash_chain::hash(&record)
    ])?;
    let row_id = db.last_insert_rowid();
    seals::renew(db, row_id, &Before::New)?;
    Ok(StoredSession {
        row_id,
        indexed: Indexed::of(&session),
        session,
    })
}

/// Writes a changed session back; `now` becomes its time of change.
pub(crate) fn update(
    db: &Connection,
    stored: &mut StoredSession,
    now: UnixMicros,
) -> Result<(), Error> {
    stored.session.updated_at = Some(now.into());
    let record = task_texts::shortened(db, stored, record)?;
    let before = seals::before(db, stored.row_id)?;
    let (hash, indexed) = (hash_chain::hash(&record), Indexed::of(&stored.session));
    let (row_id, session) = (stored.row_id, &stored.session);
    let updated_at = updated_at(session);
    // SQLite makes the entry of an index anew for each column that a statement names, changed or not.
    if indexed == stored.indexed {
        db.prepare_cached(
            "UPDATE sessions SET updated_at = ?2, record = ?3, hash = ?4 WHERE row_id = ?1",
        )?
        .execute(params![row_id, updated_at, record, hash])?;
    } else {
        db.prepare_cached(
            "UPDATE sessions SET status = ?2, recoverable = ?3, updated_at = ?4, record = ?5, hash = ?6
             WHERE row_id = ?1",
        )?
        .execute(params![
            row_id,
            indexed.status,
            indexed.is_recoverable,
            updated_at,
            record,
            hash
        ])?;
        stored.indexed = indexed;
    }
    memory::forget_rank_after_commit(row_id);
    seals::renew(db, row_id, &before)
}

/// Marks the session as owned by a live client. Answers with what had interrupted it.
pub(crate) fn reactivate(session: &mut Session) -> Option<Interruption> {
    let interruption = session.interruption.take();
    if let Some(interruption) = &interruption
        && session.status() == SessionStatus::Interrupted
    {
        let cause = interruption.cause();
        metrics::after_commit(move || metrics::record_recovery(cause));
    }
    session.status = SessionStatus::Active.into();
    interruption
}

/// Deletes a session and, by the schema's cascade, all it holds but the search index.
pub(crate) fn delete(db: &Connection, row_id: i64) -> Result<(), Error> {
    seals::remove(db, row_id)?;
    db.prepare_cached("DELETE FROM sessions WHERE row_id = ?1")?
        .execute([row_id])?;
    db.prepare_cached("UPDATE deleted_rows SET highest = max(highest, ?1)")?
        .execute([row_id])?;
    Ok(())
}

/// How many sessions there are in each state, read from all rows.
pub(crate) fn count_by_status(db: &Connection) -> Result<Vec<(SessionStatus, u32)>, Error> {
    let mut statement =
        db.prepare_cached("SELECT status, count(*) FROM sessions GROUP BY status")?;
    let rows = statement.query_map([], |row| {
        let status = SessionStatus::try_from(row.get::<_, i32>(0)?);
        Ok((status.unwrap_or_default(), row.get(1)?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Sessions that had an owner when the service last ran.
pub(crate) fn active(db: &Connection) -> Result<Vec<StoredSession>, Error> {
    collect_short(db, "WHERE status = 1", []).map(|(sessions, _)| sessions)
}

/// Which sessions to list.
#[derive(Debug, Clone, Default)]
pub(crate) struct SessionFilter {
    /// Only this project, however it is spelled.
    pub(crate) project: Option<String>,
    pub(crate) status: Option<i32>,
}

/// Where a page begins: behind this time of change and row.
pub(crate) type Cursor = (i64, i64);

/// Up to `limit` sessions behind `after`, most recently changed first, and how many rows were damaged.
pub(crate) fn list(
    db: &Connection,
    filter: &SessionFilter,
    after: Option<Cursor>,
    limit: u32,
) -> Result<(Vec<StoredSession>, u32), Error> {
    let (time, row_id) = after.unwrap_or((i64::MAX, i64::MAX));
    let project = filter.project.as_deref();
    let names = project
        .map(|project| ProjectNames::of(db, project))
        .transpose()?;
    let of_project = names
        .as_ref()
        .map_or_else(|| "1".to_owned(), |names| names.condition("project", 5));
    let rule = format!(
        "WHERE (updated_at, row_id) < (?1, ?2) AND {of_project} AND (?4 IS NULL OR status = ?4)
         ORDER BY updated_at DESC, row_id DESC LIMIT ?3"
    );
    let fixed: [&dyn ToSql; 4] = [&time, &row_id, &limit, &filter.status];
    let names = names.iter().flat_map(ProjectNames::parameters);
    collect(db, &rule, params_from_iter(fixed.into_iter().chain(names)))
}

/// Up to `limit` sessions in rows above `after`, in the order they were opened.
pub(crate) fn after_row(
    db: &Connection,
    after: i64,
    limit: u32,
) -> Result<Vec<StoredSession>, Error> {
    collect(
        db,
        "WHERE row_id > ?1 ORDER BY row_id LIMIT ?2",
        params![after, limit],
    )
    .map(|(sessions, _)| sessions)
}

/// The same, but the first damaged row among them is told.
pub(crate) fn intact_after_row(
    db: &Connection,
    after: i64,
    limit: u32,
) -> Result<Vec<StoredSession>, Error> {
    let sql = select("WHERE row_id > ?1 ORDER BY row_id LIMIT ?2");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(params![after, limit], decode)?;
    rows.map(|row| whole(db, verified(row?)?)).collect()
}

fn collect(
    db: &Connection,
    rule: &str,
    params: impl rusqlite::Params,
) -> Result<(Vec<StoredSession>, u32), Error> {
    let (mut sessions, damaged) = collect_short(db, rule, params)?;
    for stored in &mut sessions {
        task_texts::fill(db, stored)?;
    }
    Ok((sessions, damaged))
}

fn collect_short(
    db: &Connection,
    rule: &str,
    params: impl rusqlite::Params,
) -> Result<(Vec<StoredSession>, u32), Error> {
    let mut statement = db.prepare_cached(&select(rule))?;
    let rows = statement.query_map(params, decode)?;
    let (mut sessions, mut damaged) = (Vec::new(), 0);
    for row in rows {
        match verified(row?) {
            Ok(stored) => sessions.push(stored),
            Err(_) => damaged += 1,
        }
    }
    Ok((sessions, damaged))
}
