//! Checkpoint rows, read only if their hashes hold.

use std::collections::BTreeSet;

use prost::Message;
use rusqlite::{Connection, OptionalExtension, Row, params};
use shim_proto::checkpoint::v1::{Checkpoint, CheckpointState};
use shim_runtime::ids::CheckpointId;

use super::super::content::decode_state;
use super::absent_numbers;
use super::column::{self, to_column};
use super::stored_session::StoredSession;
use crate::domain::hash_chain::{self, Hash};
use crate::error::Error;
use crate::metrics;
use shim_sqlite::{UnixMicros, to_unix_micros};

/// A row of the table, verified or not.
pub(crate) struct CheckpointRow {
    pub(crate) row_id: i64,
    pub(crate) session: i64,
    pub(crate) number: u64,
    thinned_at: Option<i64>,
    header: Vec<u8>,
    state: Option<Vec<u8>>,
    state_hash: Vec<u8>,
    hash: Vec<u8>,
}

const COLUMNS: &str = "row_id, session, number, thinned_at, header, state, state_hash, hash";
/// The same in a query of several tables.
pub(super) const QUALIFIED_COLUMNS: &str = "checkpoints.row_id, checkpoints.session, checkpoints.number, \
     checkpoints.thinned_at, checkpoints.header, checkpoints.state, checkpoints.state_hash, checkpoints.hash";
/// Listing needs no states, which are most of a row.
const COLUMNS_WITHOUT_STATE: &str =
    "row_id, session, number, thinned_at, header, NULL, state_hash, hash";

impl CheckpointRow {
    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let owned = |column| column::bytes(row, column).map(|bytes| bytes.map(<[u8]>::to_vec));
        Ok(Self {
            row_id: row.get(0)?,
            session: column::integer(row, 1)?.unwrap_or_default(),
            number: column::integer(row, 2)?.unwrap_or_default().unsigned_abs(),
            thinned_at: column::integer(row, 3)?,
            header: owned(4)?.unwrap_or_default(),
            state: owned(5)?,
            state_hash: owned(6)?.unwrap_or_default(),
            hash: owned(7)?.unwrap_or_default(),
        })
    }

    /// The header, if the row's hash holds.
    pub(crate) fn header(&self) -> Result<Checkpoint, Error> {
        self.whole_header().ok_or_else(|| self.report_damage())
    }

    /// The header, if the row's hash holds; nothing is logged or counted.
    pub(crate) fn whole_header(&self) -> Option<Checkpoint> {
        let state_hash = Hash::try_from(self.state_hash.as_slice()).ok()?;
        let hash = hash_chain::checkpoint_hash(&self.header, &state_hash);
        let header = Checkpoint::decode(self.header.as_slice()).ok()?;
        (self.hash == hash && header.number == self.number).then(|| Checkpoint {
            hash: hash_chain::hex(&hash),
            thinned_at: self.thinned_at.map(|at| UnixMicros(at).into()),
            ..header
        })
    }

    /// Whether the content is there, and whether it is marked as dropped.
    pub(crate) fn content(&self) -> (bool, bool) {
        (self.state.is_some(), self.thinned_at.is_some())
    }

    /// Whether the content is there and its hash holds.
    pub(crate) fn has_whole_content(&self, db: &Connection) -> bool {
        let hash = Hash::try_from(self.state_hash.as_slice());
        let state = self.state.as_deref().zip(hash.ok());
        state.is_some_and(|(bytes, hash)| decode_state(db, bytes, &hash).is_some())
    }

    /// The header, if it is one of this session. Flipped bits in an index lead to rows of other sessions, which are whole but not
    /// the ones asked for.
    fn header_of(&self, session_id: &str) -> Result<Checkpoint, Error> {
        let header = self.header()?;
        if header.session_id == session_id {
            Ok(header)
        } else {
            Err(self.report_damage())
        }
    }

    /// Header and content, if both hashes hold.
    pub(crate) fn decode(&self, db: &Connection) -> Result<(Checkpoint, CheckpointState), Error> {
        let header = self.header()?;
        match (&self.state, self.thinned_at) {
            (None, Some(_)) => Err(Error::Thinned(header.id)),
            (Some(bytes), _) => {
                let state = decode_state(db, bytes, &self.state_hash()?);
                let state = state.ok_or_else(|| self.report_damage())?;
                Ok((header, state))
            }
            (None, None) => Err(self.report_damage()),
        }
    }

    /// The hash of the content, whether or not the content is still there.
    pub(crate) fn state_hash(&self) -> Result<Hash, Error> {
        Hash::try_from(self.state_hash.as_slice()).map_err(|_| self.report_damage())
    }

    fn report_damage(&self) -> Error {
        tracing::error!(
            row_id = self.row_id,
            number = self.number,
            "a checkpoint row is damaged; it is not served"
        );
        metrics::record_damage();
        Error::damaged(format!("checkpoint {} in row {}", self.number, self.row_id))
    }
}

/// Writes a row as it is; the caller computed its hashes.
pub(crate) fn insert(
    db: &Connection,
    session: i64,
    checkpoint: &Checkpoint,
    header: &[u8],
    state: Option<&[u8]>,
    (state_hash, hash): (&Hash, &Hash),
) -> Result<(), Error> {
    let id = checkpoint
        .id
        .parse::<CheckpointId>()
        .map_err(|_| Error::ArchiveRefused(format!("{} is no UUID", checkpoint.id)))?;
    let at = |time: Option<&prost_types::Timestamp>| to_unix_micros(time).map(|m| m.0);
    db.prepare_cached(
        "INSERT INTO checkpoints (session, number, id, created_at, thinned_at, header, state, state_hash, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        session,
        to_column(checkpoint.number),
        id.uuid().as_bytes(),
        at(checkpoint.created_at.as_ref()).unwrap_or(0),
        at(checkpoint.thinned_at.as_ref()),
        header,
        state,
        state_hash,
        hash
    ])?;
    Ok(())
}

/// The row with this id. Flipped bits in the index of ids lead to another row, which is whole but not the one asked for.
pub(crate) fn by_id(db: &Connection, id: CheckpointId) -> Result<CheckpointRow, Error> {
    let row = db
        .prepare_cached(&format!("SELECT {COLUMNS} FROM checkpoints WHERE id = ?1"))?
        .query_row([id.uuid().as_bytes()], CheckpointRow::from_row)
        .optional()?
        .ok_or_else(|| Error::CheckpointNotFound(id.to_string()))?;
    if row.header()?.id == id.to_string() {
        Ok(row)
    } else {
        Err(row.report_damage())
    }
}

/// Refuses unless there is a row with this id, whatever its state.
pub(crate) fn require_exists(db: &Connection, id: CheckpointId) -> Result<(), Error> {
    let exists: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM checkpoints WHERE id = ?1)")?
        .query_row([id.uuid().as_bytes()], |row| row.get(0))?;
    if exists {
        Ok(())
    } else {
        Err(Error::CheckpointNotFound(id.to_string()))
    }
}

/// The row with this number.
pub(crate) fn by_number(
    db: &Connection,
    stored: &StoredSession,
    number: u64,
) -> Result<CheckpointRow, Error> {
    db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM checkpoints WHERE session = ?1 AND number = ?2"
    ))?
    .query_row(
        params![stored.row_id, to_column(number)],
        CheckpointRow::from_row,
    )
    .optional()?
    .ok_or_else(|| Error::CheckpointNotFound(format!("{number} of session {}", stored.session.id)))
    .and_then(|row| row.header_of(&stored.session.id).map(|_| row))
}

/// The row with this number of a session, without its content; verified or not.
pub(crate) fn header_row(
    db: &Connection,
    session: i64,
    number: u64,
) -> Result<Option<CheckpointRow>, Error> {
    let row = db
        .prepare_cached(&format!(
            "SELECT {COLUMNS_WITHOUT_STATE} FROM checkpoints WHERE session = ?1 AND number = ?2"
        ))?
        .query_row(params![session, to_column(number)], CheckpointRow::from_row)
        .optional()?;
    Ok(row)
}

/// A checkpoint with its content, and the numbers of newer ones that are damaged.
pub(crate) type IntactCheckpoint = (Checkpoint, CheckpointState, Vec<u64>);

/// The newest checkpoint that can be read whole, with the numbers of newer ones that cannot, or that are not there.
pub(crate) fn newest_intact(
    db: &Connection,
    stored: &StoredSession,
) -> Result<IntactCheckpoint, Error> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM checkpoints WHERE session = ?1 AND thinned_at IS NULL ORDER BY number DESC"
    ))?;
    let mut rows = statement.query([stored.row_id])?;
    let mut damaged = Vec::new();
    while let Some(row) = rows.next()? {
        let row = CheckpointRow::from_row(row)?;
        match row.decode(db) {
            Ok((checkpoint, state)) if checkpoint.session_id == stored.session.id => {
                damaged.extend(absent_numbers::above(db, stored, checkpoint.number)?);
                damaged.sort_unstable_by(|a, b| b.cmp(a));
                return Ok((checkpoint, state, damaged));
            }
            _ => damaged.push(row.number),
        }
    }
    if damaged.is_empty() {
        return Err(Error::CheckpointNotFound(format!(
            "of session {}",
            stored.session.id
        )));
    }
    Err(Error::damaged(format!(
        "every checkpoint of session {}",
        stored.session.id
    )))
}

/// A part of a session's history, newest first.
#[derive(Debug, Default)]
pub(crate) struct HistoryPage {
    pub(crate) headers: Vec<Checkpoint>,
    /// Numbers of damaged ones.
    pub(crate) damaged: Vec<u64>,
    /// Numbers that have no row.
    pub(crate) missing: Vec<u64>,
}

/// Up to `limit` rows with numbers below `before`, and what is missing between and above them.
pub(crate) fn list(
    db: &Connection,
    stored: &StoredSession,
    before: u64,
    limit: u32,
) -> Result<HistoryPage, Error> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS_WITHOUT_STATE} FROM checkpoints WHERE session = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3"
    ))?;
    let rows = statement.query_map(
        params![stored.row_id, to_column(before), limit],
        CheckpointRow::from_row,
    )?;
    let (mut page, mut present) = (HistoryPage::default(), BTreeSet::new());
    for row in rows {
        let row = row?;
        present.insert(row.number);
        match row.header_of(&stored.session.id) {
            Ok(header) => page.headers.push(header),
            Err(_) => page.damaged.push(row.number),
        }
    }
    let is_last = present.len() < limit as usize;
    let lowest = present.first().filter(|_| !is_last).map_or(1, |it| *it);
    let newest = stored.session.head_number.min(before.saturating_sub(1));
    page.missing = absent_numbers::within(&present, lowest, newest);
    Ok(page)
}

/// Rows after `after` in the order of saving, with content; for the search index and archives.
pub(crate) fn after_row(
    db: &Connection,
    after: i64,
    limit: u32,
) -> Result<Vec<CheckpointRow>, Error> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM checkpoints WHERE row_id > ?1 ORDER BY row_id LIMIT ?2"
    ))?;
    let rows = statement.query_map(params![after, limit], CheckpointRow::from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Rows of one session with numbers above `after`, ascending.
pub(crate) fn after_number(
    db: &Connection,
    session: i64,
    after: u64,
    limit: u32,
) -> Result<Vec<CheckpointRow>, Error> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM checkpoints WHERE session = ?1 AND number > ?2 ORDER BY number LIMIT ?3"
    ))?;
    let rows = statement.query_map(
        params![session, to_column(after), limit],
        CheckpointRow::from_row,
    )?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The row at this position in the order of saving.
pub(crate) fn by_row(db: &Connection, row_id: i64) -> Result<CheckpointRow, Error> {
    Ok(db
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM checkpoints WHERE row_id = ?1"
        ))?
        .query_row([row_id], CheckpointRow::from_row)?)
}
