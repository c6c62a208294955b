//! Taking in what another SHIM exported. Every hash is checked; what is there already is skipped.

use prost::Message;
use rusqlite::{Connection, OptionalExtension, params};
use shim_proto::checkpoint::v1::archive_record::Record;
use shim_proto::checkpoint::v1::{
    ArchivedCheckpoint, ImportResponse, Interruption, Session, SessionStatus, SessionTask,
    SignalRecord,
};
use shim_runtime::ids::SessionId;
use shim_sqlite::{SqliteError, UnixMicros, in_savepoint, to_unix_micros};

use super::checkpoint_store::Store;
use super::codec::PlainState;
use super::import_spool::{ImportSpool, SpooledRecords};
use super::packed_record::{PackedCheckpoint, PackedRecord};
use super::tables::checkpoints;
use super::tables::column::to_column;
use super::tables::sessions;
use super::tables::stored_session::StoredSession;
use super::tables::{signals, tally};
use crate::domain::hash_chain::{self, Hash};
use crate::domain::session_tasks::{self, TaskMatch};
use crate::error::Error;

/// Whether a record was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ImportOutcome {
    New,
    Duplicate,
}

impl Store {
    /// Where the records of one import wait until all of them were checked.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn begin_import(&self) -> Result<ImportSpool, Error> {
        let folder = self.data_dir.clone();
        off_thread(move || ImportSpool::create(&folder)).await
    }

    /// Packs records and puts them behind those before.
    ///
    /// # Errors
    /// ARCHIVE_REFUSED; the store's failures.
    pub(crate) async fn spool(
        &self,
        mut spool: ImportSpool,
        records: Vec<Record>,
    ) -> Result<ImportSpool, Error> {
        let level = self.zstd_level;
        off_thread(move || {
            for record in records {
                if let Some(packed) = pack_record(record, level)? {
                    spool.add(packed)?;
                }
            }
            Ok(spool)
        })
        .await
    }

    /// Takes in all records in one transaction, all or none.
    ///
    /// # Errors
    /// ARCHIVE_REFUSED, SESSION_NOT_FOUND; the store's failures.
    pub(crate) async fn import(&self, spool: ImportSpool) -> Result<ImportResponse, Error> {
        let records = off_thread(move || spool.into_records()).await?;
        self.write(0, move |db, now| {
            // A record in the middle may be refused; the records before it must not stay alone.
            in_savepoint(db, || insert_all(db, records, now))
        })
        .await
    }
}

async fn off_thread<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, Error> + Send + 'static,
) -> Result<R, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| SqliteError::Unavailable("packing ended in a defect".into()))?
}

fn pack_record(record: Record, level: u32) -> Result<Option<PackedRecord>, Error> {
    Ok(match record {
        Record::Header(_) | Record::Trailer(_) => None,
        Record::Session(session) => Some(PackedRecord::Session(session)),
        Record::Checkpoint(archived) => Some(PackedRecord::Checkpoint(pack(archived, level)?)),
        Record::Signal(signal) => Some(PackedRecord::Signal(signal)),
    })
}

fn pack(archived: ArchivedCheckpoint, level: u32) -> Result<PackedCheckpoint, Error> {
    let header = archived
        .checkpoint
        .ok_or_else(|| archive_error("a checkpoint record has no header".into()))?;
    let state = archived.state.as_ref();
    let state = state.map(|state| PlainState::encode(state).pack(state, None, level));
    Ok(PackedCheckpoint {
        header,
        state_hash: archived.state_hash,
        state: state.transpose()?,
    })
}

fn insert_all(
    db: &Connection,
    records: SpooledRecords,
    now: UnixMicros,
) -> Result<ImportResponse, Error> {
    let mut imported = ImportResponse::default();
    for (index, record) in records.enumerate() {
        let (outcome, counter) = match record? {
            PackedRecord::Session(session) => (
                insert_session(db, session, now),
                &mut imported.imported_sessions,
            ),
            PackedRecord::Checkpoint(checkpoint) => (
                insert_checkpoint(db, &checkpoint),
                &mut imported.imported_checkpoints,
            ),
            PackedRecord::Signal(signal) => {
                (insert_signal(db, &signal), &mut imported.imported_signals)
            }
        };
        // The header stands in the first line.
        match outcome.map_err(|error| at_line(index as u64 + 2, error))? {
            ImportOutcome::New => *counter += 1,
            ImportOutcome::Duplicate => imported.skipped += 1,
        }
    }
    Ok(imported)
}

/// Says where a refused record stands.
pub(crate) fn at_line(line: u64, error: Error) -> Error {
    match error {
        Error::ArchiveRefused(what) => Error::ArchiveRefused(format!("line {line}: {what}")),
        other => other,
    }
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
        // What comes is counted here.
        tally: None,
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
    if header.thinned_at.is_some() {
        tally::begin(db, &mut stored)?;
        tally::add_thinned(&mut stored, 1);
    }
    insert_verified(db, stored.row_id, imported)?.ok_or_else(differs)?;
    move_head(&mut stored.session, imported);
    write_back(db, &mut stored)?;
    Ok(ImportOutcome::New)
}

/// An import leaves the time of the last change as it is.
fn write_back(db: &Connection, stored: &mut StoredSession) -> Result<(), Error> {
    let unchanged = to_unix_micros(stored.session.updated_at.as_ref()).unwrap_or(UnixMicros(0));
    sessions::update(db, stored, unchanged)
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
    let mut stored = sessions::find(db, id)?;
    let at = record
        .assessment
        .as_ref()
        .and_then(|a| to_unix_micros(a.assessed_at.as_ref()))
        .unwrap_or(UnixMicros(0));
    let hash = hash_chain::hash(&record.encode_to_vec());
    let known: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM signals WHERE session = ?1 AND hash = ?2)")?
        .query_row(params![stored.row_id, hash], |row| row.get(0))?;
    if known {
        return Ok(ImportOutcome::Duplicate);
    }
    signals::insert(db, &mut stored, record, at)?;
    write_back(db, &mut stored)?;
    Ok(ImportOutcome::New)
}

pub(crate) fn archive_error(what: String) -> Error {
    Error::ArchiveRefused(what)
}
