//! Taking in what another SHIM exported. Every hash is checked; what is there already is skipped.

use prost::Message;
use rusqlite::{Connection, OptionalExtension, params};
use shim_proto::checkpoint::v1::{
    ArchivedCheckpoint, Checkpoint, Interruption, Session, SessionStatus, SignalRecord,
};
use uuid::Uuid;

use super::checkpoints::{self, to_column};
use super::packing;
use super::sessions::{self, Stored};
use super::signals;
use crate::domain::moment::{Moment, moment};
use crate::domain::seal::{self, Hash};
use crate::error::Error;

/// Whether a record was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    New,
    Known,
}

/// Adds a session without checkpoints; they follow and move its head. Nobody here owns it.
pub(crate) fn import_session(
    db: &Connection,
    session: Session,
    now: Moment,
) -> Result<Taken, Error> {
    let id = Uuid::parse_str(&session.id)
        .map_err(|_| refused(format!("session id {:?} is no UUID", session.id)))?;
    match sessions::find(db, id) {
        Ok(_) => return Ok(Taken::Known),
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
    Ok(Taken::New)
}

/// Adds a checkpoint behind its session's head, or skips the one that is there.
pub(crate) fn import_checkpoint(
    db: &Connection,
    archived: &ArchivedCheckpoint,
    level: u32,
) -> Result<Taken, Error> {
    let header = archived
        .checkpoint
        .as_ref()
        .ok_or_else(|| refused("a checkpoint record has no header".into()))?;
    let id = Uuid::parse_str(&header.session_id)
        .map_err(|_| refused("a checkpoint names no session".into()))?;
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
        let same =
            Hash::try_from(known.as_slice()).is_ok_and(|hash| seal::hex(&hash) == header.hash);
        return if same {
            Ok(Taken::Known)
        } else {
            Err(refused(format!("{} differs from the one here", name())))
        };
    }
    if header.number != stored.session.head_number + 1 {
        return Err(refused(format!(
            "{} does not follow number {}",
            name(),
            stored.session.head_number
        )));
    }
    insert_sealed(db, &mut stored, header, archived, level)
}

fn insert_sealed(
    db: &Connection,
    stored: &mut Stored,
    header: &Checkpoint,
    archived: &ArchivedCheckpoint,
    level: u32,
) -> Result<Taken, Error> {
    let differs = || {
        refused(format!(
            "checkpoint {} of session {} does not match its hash",
            header.number, header.session_id
        ))
    };
    let packed = archived
        .state
        .as_ref()
        .map(|state| packing::pack(state, level))
        .transpose()?;
    let state_hash = seal::from_hex(&archived.state_hash).ok_or_else(differs)?;
    let sealed = seal::header_bytes(header);
    let hash = seal::seal(&sealed, &state_hash);
    let state_fits = packed
        .as_ref()
        .is_none_or(|packed| packed.hash == state_hash);
    if !state_fits || seal::hex(&hash) != header.hash {
        return Err(differs());
    }
    let bytes = packed.as_ref().map(|packed| packed.bytes.as_slice());
    checkpoints::insert(
        db,
        stored.row_id,
        header,
        &sealed,
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
    let unchanged = moment(session.updated_at.as_ref()).unwrap_or(Moment(0));
    sessions::update(db, stored, unchanged)?;
    Ok(Taken::New)
}

/// Adds a signal snapshot, or skips the one that is there.
pub(crate) fn import_signal(db: &Connection, record: &SignalRecord) -> Result<Taken, Error> {
    let id = Uuid::parse_str(&record.session_id)
        .map_err(|_| refused("a signal names no session".into()))?;
    let stored = sessions::find(db, id)?;
    let at = record
        .assessment
        .as_ref()
        .and_then(|a| moment(a.assessed_at.as_ref()))
        .unwrap_or(Moment(0));
    let hash = seal::hash(&record.encode_to_vec());
    let known: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM signals WHERE session = ?1 AND hash = ?2)")?
        .query_row(params![stored.row_id, hash], |row| row.get(0))?;
    if known {
        return Ok(Taken::Known);
    }
    signals::insert(db, stored.row_id, record, at)?;
    Ok(Taken::New)
}

pub(crate) fn refused(what: String) -> Error {
    Error::ArchiveRefused(what)
}
