//! Segments: pieces of states, written once and named by all checkpoints of their session that hold them.
//!
//! (A) A segment is written by the transaction that writes the first checkpoint that names it, and deleted by the one that drops the
//! last: no checkpoint names a segment that is gone. (B) Each lies in two tables, on pages of their own; a state is put together
//! of those that make its hash hold. (C) A state is packed beside the writer against a base, a checkpoint that is there; the
//! writer refuses it once the base has lost its content, for then segments may be gone.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::compression::decompress;
use super::super::layout::{self, Part, StateColumn};
use super::column::{self, to_column};
use crate::domain::hash_chain::{self, Hash};
use crate::domain::segments::{cut, piece_hash};
use crate::error::Error;
use crate::metrics;

/// A piece that becomes a segment.
#[derive(Debug, Clone)]
pub(crate) struct NewSegment {
    /// Of the piece, see [`piece_hash`].
    pub(crate) hash: Hash,
    /// zstd of the piece.
    pub(crate) frame: Vec<u8>,
}

/// What a checkpoint offers to the next one.
#[derive(Debug)]
pub(crate) struct Base {
    /// The checkpoint's row.
    pub(crate) row_id: i64,
    /// Its session's.
    pub(crate) session: i64,
    /// The segments it names.
    pub(crate) segments: HashMap<Hash, i64>,
    /// Its closed pieces that are no segments.
    pub(crate) pieces: HashSet<Hash>,
}

/// What the checkpoint with this number offers; `None` if it has no content. The caller knows that the content is whole.
pub(crate) fn base(db: &Connection, session: i64, number: u64) -> Result<Option<Base>, Error> {
    let found: Option<(i64, Option<Vec<u8>>)> = db
        .prepare_cached("SELECT row_id, state FROM checkpoints WHERE session = ?1 AND number = ?2")?
        .query_row(params![session, to_column(number)], |row| {
            Ok((row.get(0)?, column::bytes(row, 1)?.map(<[u8]>::to_vec)))
        })
        .optional()?;
    let Some((row_id, Some(state))) = found else {
        return Ok(None);
    };
    let mut base = Base {
        row_id,
        session,
        segments: HashMap::new(),
        pieces: HashSet::new(),
    };
    match layout::read(&state) {
        StateColumn::Damaged => return Ok(None),
        StateColumn::Whole(frame) => {
            let encoded = decompress(frame).unwrap_or_default();
            let closed = cut(&encoded).into_iter().filter(|piece| piece.is_closed);
            base.pieces
                .extend(closed.map(|piece| piece_hash(session, &encoded[piece.range])));
        }
        StateColumn::Parts(parts, frame) => base.fill(db, &parts, frame)?,
    }
    Ok(Some(base))
}

impl Base {
    fn fill(&mut self, db: &Connection, parts: &[Part], frame: &[u8]) -> Result<(), Error> {
        let inline = decompress(frame).unwrap_or_default();
        let mut rest = inline.as_slice();
        let mut statement = db.prepare_cached("SELECT hash FROM segments WHERE row_id = ?1")?;
        for part in parts {
            match *part {
                Part::Inline { bytes, is_closed } => {
                    let Some((piece, behind)) = rest.split_at_checked(bytes) else {
                        return Ok(());
                    };
                    rest = behind;
                    if is_closed {
                        self.pieces.insert(piece_hash(self.session, piece));
                    }
                }
                Part::Segment(row_id) => {
                    let hash = statement
                        .query_row([row_id], |row| Ok(to_hash(column::bytes(row, 0)?)))
                        .optional()?;
                    if let Some(hash) = hash.flatten() {
                        self.segments.insert(hash, row_id);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Refuses with `refusal` unless the checkpoint in row `base` still has its content, and so its segments.
pub(crate) fn require_base(
    db: &Connection,
    base: i64,
    refusal: impl FnOnce() -> Error,
) -> Result<(), Error> {
    let is_there: Option<bool> = db
        .prepare_cached("SELECT state IS NOT NULL FROM checkpoints WHERE row_id = ?1")?
        .query_row([base], |row| row.get(0))
        .optional()?;
    if is_there == Some(true) {
        Ok(())
    } else {
        Err(refusal())
    }
}

/// Writes a segment into both tables; answers its row. No row is given twice while either table has it.
pub(crate) fn insert(db: &Connection, session: i64, segment: &NewSegment) -> Result<i64, Error> {
    let row_id: i64 = db
        .prepare_cached(
            "INSERT INTO segments (row_id, session, hash, bytes) VALUES (
                 max(coalesce((SELECT max(row_id) FROM segments), 0), coalesce((SELECT max(row_id) FROM segment_copies), 0)) + 1,
                 ?1, ?2, ?3) RETURNING row_id",
        )?
        .query_row(params![session, segment.hash, segment.frame], |row| row.get(0))?;
    db.prepare_cached(
        "INSERT INTO segment_copies (row_id, session, hash, bytes) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![row_id, session, segment.hash, segment.frame])?;
    Ok(row_id)
}

/// Where a segment is read from.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// The first table, unseen: the state's hash tells.
    First,
    /// The table whose row matches its own hash, the first one before the other.
    Matching,
    /// The second table.
    Second,
}

/// The encoded state of these parts; `None` if no choice of copies makes its hash hold.
pub(crate) fn assemble(
    db: &Connection,
    parts: &[Part],
    frame: &[u8],
    hash: &Hash,
) -> Option<Vec<u8>> {
    let inline = decompress(frame)?;
    let whole = |source| {
        join(db, parts, &inline, source).filter(|encoded| hash_chain::hash(encoded) == *hash)
    };
    if let Some(encoded) = whole(Source::First) {
        return Some(encoded);
    }
    let encoded = whole(Source::Matching).or_else(|| whole(Source::Second))?;
    tracing::error!(
        "a segment is damaged; its checkpoints are served from its second copy, and `shim sessions verify` names it"
    );
    metrics::record_damage();
    Some(encoded)
}

fn join(db: &Connection, parts: &[Part], inline: &[u8], source: Source) -> Option<Vec<u8>> {
    let (mut encoded, mut rest) = (Vec::with_capacity(2 * inline.len()), inline);
    for part in parts {
        match *part {
            Part::Inline { bytes, .. } => {
                let (piece, behind) = rest.split_at_checked(bytes)?;
                encoded.extend_from_slice(piece);
                rest = behind;
            }
            Part::Segment(row_id) => encoded.extend(piece(db, row_id, source)?),
        }
    }
    rest.is_empty().then_some(encoded)
}

fn piece(db: &Connection, row_id: i64, source: Source) -> Option<Vec<u8>> {
    const FIRST: &str = "SELECT session, hash, bytes FROM segments WHERE row_id = ?1";
    const SECOND: &str = "SELECT session, hash, bytes FROM segment_copies WHERE row_id = ?1";
    match source {
        Source::First => read(db, FIRST, row_id, false),
        Source::Second => read(db, SECOND, row_id, false),
        Source::Matching => {
            read(db, FIRST, row_id, true).or_else(|| read(db, SECOND, row_id, true))
        }
    }
}

/// A piece as one table has it. A page that cannot be read is one copy that is gone.
fn read(db: &Connection, sql: &str, row_id: i64, is_checked: bool) -> Option<Vec<u8>> {
    let mut statement = db.prepare_cached(sql).ok()?;
    let found = statement.query_row([row_id], |row| {
        if is_checked {
            return checked_piece(row, 0);
        }
        Ok(column::bytes(row, 2)?.and_then(decompress))
    });
    found.ok().flatten()
}

/// The piece of a row whose columns from `at` on are session, hash and bytes, if its hash holds.
pub(crate) fn checked_piece(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Vec<u8>>> {
    let session = column::integer(row, at)?;
    let hash = to_hash(column::bytes(row, at + 1)?);
    let piece = column::bytes(row, at + 2)?.and_then(decompress);
    let expected = session.zip(piece.as_deref());
    let expected = expected.map(|(session, piece)| piece_hash(session, piece));
    Ok(piece.filter(|_| hash.is_some() && hash == expected))
}

fn to_hash(bytes: Option<&[u8]>) -> Option<Hash> {
    bytes.and_then(|bytes| Hash::try_from(bytes).ok())
}

/// Deletes the segments of a session that none of its contents names; answers with their bytes. If one content cannot tell what
/// it names, all stay.
pub(crate) fn sweep(db: &Connection, session: i64) -> Result<u64, Error> {
    let Some(used) = used(db, session)? else {
        return Ok(0);
    };
    let mut freed = 0;
    for table in ["segments", "segment_copies"] {
        for (row_id, bytes) in unused(db, table, session, &used)? {
            db.prepare_cached(&format!("DELETE FROM {table} WHERE row_id = ?1"))?
                .execute([row_id])?;
            freed += bytes;
        }
    }
    Ok(freed)
}

/// The rows of a table that are this session's and not used, with their bytes. A row that is damaged stays: it may be another's.
fn unused(
    db: &Connection,
    table: &str,
    session: i64,
    used: &HashSet<i64>,
) -> Result<Vec<(i64, u64)>, Error> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT row_id, session, hash, bytes FROM {table} WHERE session = ?1"
    ))?;
    let (mut rows, mut unused) = (statement.query([session])?, Vec::new());
    while let Some(row) = rows.next()? {
        let row_id = row.get(0)?;
        if !used.contains(&row_id) && checked_piece(row, 1)?.is_some() {
            let bytes = column::bytes(row, 3)?.unwrap_or_default().len();
            unused.push((row_id, bytes as u64));
        }
    }
    Ok(unused)
}

/// The segments that a session's contents name; `None` if one of them is damaged.
fn used(db: &Connection, session: i64) -> Result<Option<HashSet<i64>>, Error> {
    let mut used = HashSet::new();
    let mut statement = db
        .prepare_cached("SELECT state FROM checkpoints WHERE session = ?1 AND state IS NOT NULL")?;
    let mut rows = statement.query([session])?;
    while let Some(row) = rows.next()? {
        match layout::read(column::bytes(row, 0)?.unwrap_or_default()) {
            StateColumn::Whole(_) => {}
            StateColumn::Damaged => return Ok(None),
            StateColumn::Parts(parts, _) => {
                used.extend(parts.iter().filter_map(|part| match part {
                    Part::Segment(row_id) => Some(*row_id),
                    Part::Inline { .. } => None,
                }));
            }
        }
    }
    Ok(Some(used))
}

/// The bytes of a session's segments in both tables.
pub(crate) fn stored_bytes(db: &Connection, session: i64) -> Result<u64, Error> {
    let bytes: i64 = db
        .prepare_cached("SELECT coalesce(sum(length(bytes)), 0) FROM segments WHERE session = ?1")?
        .query_row([session], |row| row.get(0))?;
    Ok(2 * bytes.unsigned_abs())
}
