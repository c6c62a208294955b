//! Taking in what another SHIM exported. Every hash is checked; what is there already is skipped.

use prost::Message;
use rusqlite::{Connection, OptionalExtension, params};
use shim_proto::checkpoint::v1::{
    ArchivedCheckpoint, Checkpoint, Interruption, Session, SessionStatus, SignalRecord,
};
use uuid::Uuid;

use super::checkpoints::{self, to_column};
use super::codec;
use super::sessions::{self, StoredSession};
use super::signals;
use crate::domain::hash_chain::{self, Hash};
use crate::domain::time::{UnixMicros, to_unix_micros};
use crate::error::Error;

/// Whether a record was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImportOutcome {
    New,
    Duplicate,
}

/// Adds a session without checkpoints; they follow and move its head. Nobody here owns it.
pub(crate) fn import_session(
    db: &Connection,
    session: Session,
    now: UnixMicros,
) -> Result<ImportOutcome, Error> {
    let id = Uuid::parse_str(&session.id)
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
pub(crate) fn import_checkpoint(
    db: &Connection,
    archived: &ArchivedCheckpoint,
    level: u32,
) -> Result<ImportOutcome, Error> {
    let header = archived
        .checkpoint
        .as_ref()
        .ok_or_else(|| archive_error("a checkpoint record has no header".into()))?;
    let id = Uuid::parse_str(&header.session_id)
        .map_err(|_| archive_error("a checkpoint names no session".into()))?;
    let mut stored = sessions::find(db, id)?;
    let known: Option<Vec<u8>> = db
        .prepare_cached("SELECT hash FROM checkpoints WHERE session = ?1 AND number = ?2")?
        .query_row(params![stored.row_id, to_column(header.number)], |row| {
            row.get(0)
        })
        .optional()?;
    let name = || {
        format!(
            "checkpoint {} of session {}",
            header.number, header.session_id
        )
    };
    if let Some(known) = known {
        let same = Hash::try_from(known.as_slice())
            .is_ok_and(|hash| hash_chain::hex(&hash) == header.hash);
        return if same {
            Ok(ImportOutcome::Duplicate)
        } else {
            Err(archive_error(format!(
                "{} differs from the one here",
                name()
            )))
        };
    }
    if header.number != stored.session.head_number + 1 {
        return Err(archive_error(format!(
            "{} does not follow number {}",
            name(),
            stored.session.head_number
        )));
    }
    insert_verified(db, &mut stored, header, archived, level)
}

fn insert_verified(
    db: &Connection,
    stored: &mut StoredSession,
    header: &Checkpoint,
    archived: &ArchivedCheckpoint,
    level: u32,
) -> Result<ImportOutcome, Error> {
    let differs = || {
        archive_error(format!(
            "checkpoint {} of session {} does not match its hash",
            header.number, header.session_id
        ))
    };
    let encoded = archived
        .state
        .as_ref()
        .map(|state| codec::encode_state(state, level))
        .transpose()?;
    let state_hash = hash_chain::from_hex(&archived.state_hash).ok_or_else(differs)?;
    let header_bytes = hash_chain::header_bytes(header);
    let hash = hash_chain::checkpoint_hash(&header_bytes, &state_hash);
    let state_fits = encoded
        .as_ref()
        .is_none_or(|encoded| encoded.hash == state_hash);
    if !state_fits || hash_chain::hex(&hash) != header.hash {
        return Err(differs());
    }
    let bytes = encoded.as_ref().map(|encoded| encoded.bytes.as_slice());
    checkpoints::insert(
        db,
        stored.row_id,
        header,
        &header_bytes,
        bytes,
        (&state_hash, &hash),
    )?;
    let session = &mut stored.session;
    session.head_number = header.number;
    session.head_checkpoint_id.clone_from(&header.id);
    session.last_checkpoint_at = header.created_at;
    session.current_task.clone_from(&header.current_task);
    session.progress = header.progress;
    session.open_steps = archived
        .state
        .as_ref()
        .map_or(0, |s| u32::try_from(s.next_steps.len()).unwrap_or(u32::MAX));
    let unchanged = to_unix_micros(session.updated_at.as_ref()).unwrap_or(UnixMicros(0));
    sessions::update(db, stored, unchanged)?;
    Ok(ImportOutcome::New)
}

/// Adds a signal snapshot, or skips the one that is there.
pub(crate) fn import_signal(
    db: &Connection,
    record: &SignalRecord,
) -> Result<ImportOutcome, Error> {
    let id = Uuid::parse_str(&record.session_id)
        .map_err(|_| archive_error("a signal names no session".into()))?;
    let stored = sessions::find(db, id)?;
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
    signals::insert(db, stored.row_id, record, at)?;
    Ok(ImportOutcome::New)
}

pub(crate) fn archive_error(what: String) -> Error {
    Error::ArchiveRefused(what)
}
