//! Taking in what another SHIM exported. Every hash is checked; what is there already is skipped.

use prost::Message;
use rusqlite::{Connection, OptionalExtension, params};
use shim_proto::checkpoint::v1::archive_record::Record;
use shim_proto::checkpoint::v1::{
    ArchivedCheckpoint, Checkpoint, ImportResponse, Interruption, Session, SessionStatus,
    SessionTask, SignalRecord,
};
use shim_runtime::ids::SessionId;
use shim_sqlite::{SqliteError, UnixMicros, in_savepoint, to_unix_micros};

use super::checkpoint_store::Store;
use super::codec::{PackedState, PlainState};
use super::tables::checkpoints::{self, to_column};
use super::tables::sessions::{self, StoredSession};
use super::tables::signals;
use crate::domain::hash_chain::{self, Hash};
use crate::domain::session_tasks::{self, TaskMatch};
use crate::error::Error;

/// The archive format that this service writes and reads.
pub(crate) const ARCHIVE_FORMAT: u32 = 1;

/// Whether a record was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ImportOutcome {
    New,
    Duplicate,
}

/// A record whose state is packed.
enum PackedRecord {
    Session(Session),
    Checkpoint(PackedCheckpoint),
    Signal(SignalRecord),
}

/// An archived checkpoint, ready to be inserted.
struct PackedCheckpoint {
    header: Checkpoint,
    state_hash: String,
    /// `None` if retention had dropped the content.
    state: Option<PackedState>,
}

impl Store {
    /// Takes in records in one transaction, all or none. `bytes` is their size.
    ///
    /// # Errors
    /// ARCHIVE_REFUSED, SESSION_NOT_FOUND; the store's failures.
    pub(crate) async fn import(
        &self,
        records: Vec<Record>,
        bytes: usize,
    ) -> Result<ImportResponse, Error> {
        let level = self.zstd_level;
        let packing = tokio::task::spawn_blocking(move || pack_all(records, level));
        let records = packing
            .await
            .map_err(|_| SqliteError::Unavailable("packing ended in a defect".into()))??;
        self.write(bytes, move |db, now| {
            // A record in the middle may be refused; the records before it must not stay alone.
            in_savepoint(db, || insert_all(db, records, now))
        })
        .await
    }
}

fn pack_all(records: Vec<Record>, level: u32) -> Result<Vec<PackedRecord>, Error> {
    records
        .into_iter()
        .filter_map(|record| match record {
            Record::Header(_) => None,
            Record::Session(session) => Some(Ok(PackedRecord::Session(session))),
            Record::Checkpoint(archived) => {
                Some(pack(archived, level).map(PackedRecord::Checkpoint))
            }
            Record::Signal(signal) => Some(Ok(PackedRecord::Signal(signal))),
        })
        .collect()
}

fn pack(archived: ArchivedCheckpoint, level: u32) -> Result<PackedCheckpoint, Error> {
    let header = archived
        .checkpoint
        .ok_or_else(|| archive_error("a checkpoint record has no header".into()))?;
    let state = archived.state.as_ref();
    let state = state.map(|state| PlainState::encode(state).pack(state, level));
    Ok(PackedCheckpoint {
        header,
        state_hash: archived.state_hash,
        state: state.transpose()?,
    })
}

fn insert_all(
    db: &Connection,
    records: Vec<PackedRecord>,
    now: UnixMicros,
) -> Result<ImportResponse, Error> {
    let mut imported = ImportResponse::default();
    for record in records {
        let (outcome, counter) = match record {
            PackedRecord::Session(session) => (
                insert_session(db, session, now)?,
                &mut imported.imported_sessions,
            ),
            PackedRecord::Checkpoint(checkpoint) => (
                insert_checkpoint(db, &checkpoint)?,
                &mut imported.imported_checkpoints,
            ),
            PackedRecord::Signal(signal) => {
                (insert_signal(db, &signal)?, &mut imported.imported_signals)
            }
        };
        match outcome {
            ImportOutcome::New => *counter += 1,
            ImportOutcome::Duplicate => imported.skipped += 1,
        }
    }
    Ok(imported)
}

/// Adds a session without checkpoints; they follow and move its head. An imported session has no owner here.
fn insert_session(
    db: &Connection,
    session: Session,
    now: UnixMicros,
) -> Result<ImportOutcome, Error> {
    let id = session
        .id
        .parse::<SessionId>()
        .map_err(|_| archive_error(format!("session id {:?} is no UUID", session.id)))?;
    match sessions::find(db, id) {
        Ok(_) => return Ok(ImportOutcome::Duplicate),
        Err(Error::SessionNotFound(_)) => {}
        Err(error) => return Err(error),
    }
    let mut session = Session {
        head_number: 0,
        head_checkpoint_id: String::new(),
        ..session
    };
    if session.status() != SessionStatus::Ended {
        session.status = SessionStatus::Interrupted.into();
        session.interruption.get_or_insert_with(|| Interruption {
            evidence: "imported from an archive".into(),
            at: Some(now.into()),
            ..Default::default()
        });
    }
    sessions::insert(db, session)?;
    Ok(ImportOutcome::New)
}

/// Adds a checkpoint behind its session's head, or skips the one that is there.
fn insert_checkpoint(db: &Connection, imported: &PackedCheckpoint) -> Result<ImportOutcome, Error> {
    let header = &imported.header;
    let refuse = |what: String| {
        archive_error(format!(
            "checkpoint {} of session {} {what}",
            header.number, header.session_id
        ))
    };
    let id = header
        .session_id
        .parse::<SessionId>()
        .map_err(|_| archive_error("a checkpoint names no session".into()))?;
    let mut stored = sessions::find(db, id)?;
    if let Some(known) = known_hash(db, stored.row_id, header.number)? {
        return if known.is_some_and(|hash| hash_chain::hex(&hash) == header.hash) {
            Ok(ImportOutcome::Duplicate)
        } else {
            Err(refuse("differs from the one here".into()))
        };
    }
    let head = stored.session.head_number;
    if header.number != head + 1 {
        return Err(refuse(format!("does not follow number {head}")));
    }
    let differs = || refuse("does not match its hash".into());
    insert_verified(db, stored.row_id, imported)?.ok_or_else(differs)?;
    move_head(&mut stored.session, imported);
    let unchanged = to_unix_micros(stored.session.updated_at.as_ref()).unwrap_or(UnixMicros(0));
    sessions::update(db, &mut stored, unchanged)?;
    Ok(ImportOutcome::New)
}

/// The hash of the checkpoint with this number, if there is one; `Some(None)` if the stored hash is damaged.
fn known_hash(db: &Connection, session: i64, number: u64) -> Result<Option<Option<Hash>>, Error> {
    let known: Option<Vec<u8>> = db
        .prepare_cached("SELECT hash FROM checkpoints WHERE session = ?1 AND number = ?2")?
        .query_row(params![session, to_column(number)], |row| row.get(0))
        .optional()?;
    Ok(known.map(|hash| Hash::try_from(hash.as_slice()).ok()))
}

/// Inserts the row if header and state match their hashes; `None` if one does not.
fn insert_verified(
    db: &Connection,
    session: i64,
    imported: &PackedCheckpoint,
) -> Result<Option<()>, Error> {
    let Some(state_hash) = hash_chain::from_hex(&imported.state_hash) else {
        return Ok(None);
    };
    let header_bytes = hash_chain::header_bytes(&imported.header);
    let hash = hash_chain::checkpoint_hash(&header_bytes, &state_hash);
    let state = imported.state.as_ref();
    let state_fits = state.is_none_or(|state| state.hash == state_hash);
    if !state_fits || hash_chain::hex(&hash) != imported.header.hash {
        return Ok(None);
    }
    let bytes = state.map(|state| state.bytes.as_slice());
    let hashes = (&state_hash, &hash);
    checkpoints::insert(db, session, &imported.header, &header_bytes, bytes, hashes).map(Some)
}

fn move_head(session: &mut Session, imported: &PackedCheckpoint) {
    let header = &imported.header;
    session.head_number = header.number;
    session.head_checkpoint_id.clone_from(&header.id);
    session.last_checkpoint_at = header.created_at;
    session.current_task.clone_from(&header.current_task);
    session.progress = header.progress;
    session.open_steps = imported
        .state
        .as_ref()
        .map_or(0, |state| state.counts.open_steps);
    advance_tasks(session, imported);
}

/// The tasks came with the session; a checkpoint that is newer than all of them belongs to an archive that goes on.
fn advance_tasks(session: &mut Session, imported: &PackedCheckpoint) {
    let number = imported.header.number;
    let Some(state) = &imported.state else { return };
    let is_newer = |task: &SessionTask| task.checkpoint_number < number;
    if !session.tasks.is_empty() && session.tasks.iter().all(is_newer) {
        session_tasks::advance(
            session,
            &TaskMatch::ByName,
            &state.task_name(),
            &[],
            &imported.header,
            state.counts.open_steps,
        );
    }
}

/// Adds a signal snapshot, or skips the one that is there.
fn insert_signal(db: &Connection, record: &SignalRecord) -> Result<ImportOutcome, Error> {
    let id = record
        .session_id
        .parse::<SessionId>()
        .map_err(|_| archive_error("a signal names no session".into()))?;
    let StoredSession { row_id, .. } = sessions::find(db, id)?;
    let at = record
        .assessment
        .as_ref()
        .and_then(|a| to_unix_micros(a.assessed_at.as_ref()))
        .unwrap_or(UnixMicros(0));
    let hash = hash_chain::hash(&record.encode_to_vec());
    let known: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM signals WHERE session = ?1 AND hash = ?2)")?
        .query_row(params![row_id, hash], |row| row.get(0))?;
    if known {
        return Ok(ImportOutcome::Duplicate);
    }
    signals::insert(db, row_id, record, at)?;
    Ok(ImportOutcome::New)
}

pub(crate) fn archive_error(what: String) -> Error {
    Error::ArchiveRefused(what)
}
