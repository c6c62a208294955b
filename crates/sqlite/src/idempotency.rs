//! Idempotency: the answers given to request ids, kept in the same transaction as their effects.

use prost::Message;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::SqliteError;
use crate::time::UnixMicros;

/// The table that a schema must hold for the ledger. One tree without row ids, so that a change touches one page less.
pub const LEDGER_TABLE: &str = "CREATE TABLE requests (
    id         TEXT    PRIMARY KEY,
    digest     BLOB    NOT NULL,           -- BLAKE3 of method and request
    answer     BLOB    NOT NULL,
    created_at INTEGER NOT NULL            -- microseconds since the Unix epoch
) WITHOUT ROWID;";

/// A mutation as the ledger knows it: its request id and the digest of its request.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    id: String,
    digest: [u8; 32],
}

impl IdempotencyKey {
    /// `message` is the whole request, whose id is `id`.
    #[must_use]
    pub fn new(method: &str, id: &str, message: &impl Message) -> Self {
        Self::with_content(method, id, message, &[])
    }

    /// Like [`IdempotencyKey::new`] for a message whose large part was taken out of it and hashed already.
    #[must_use]
    pub fn with_content(
        method: &str,
        id: &str,
        message: &impl Message,
        content_hash: &[u8],
    ) -> Self {
        let mut bytes =
            Vec::with_capacity(method.len() + message.encoded_len() + content_hash.len());
        bytes.extend_from_slice(method.as_bytes());
        // A Vec grows as needed, so encoding cannot run out of room.
        let _ = message.encode(&mut bytes);
        bytes.extend_from_slice(content_hash);
        Self {
            id: id.to_owned(),
            digest: *blake3::hash(&bytes).as_bytes(),
        }
    }
}

/// The answer given before, if this request was answered.
///
/// # Errors
/// [`SqliteError::RequestIdReused`] if the id belongs to another request; damage of the row.
pub fn replay<R: Message + Default>(
    db: &Connection,
    key: &IdempotencyKey,
) -> Result<Option<R>, SqliteError> {
    let found: Option<(Vec<u8>, Vec<u8>)> = db
        .prepare_cached("SELECT digest, answer FROM requests WHERE id = ?1")?
        .query_row([&key.id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match found {
        None => Ok(None),
        Some((digest, _)) if digest != key.digest => {
            Err(SqliteError::RequestIdReused(key.id.clone()))
        }
        Some((_, response)) => R::decode(response.as_slice())
            .map(Some)
            .map_err(|_| SqliteError::Damaged(format!("the answer to {}", key.id))),
    }
}

/// Keeps the answer.
pub(crate) fn record(
    db: &Connection,
    key: &IdempotencyKey,
    response: &impl Message,
    now: UnixMicros,
) -> Result<(), SqliteError> {
    db.prepare_cached(
        "INSERT INTO requests (id, digest, answer, created_at) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![key.id, key.digest, response.encode_to_vec(), now.0])?;
    Ok(())
}

/// Up to `limit` request ids behind `after`, with the times of their answers.
///
/// # Errors
/// If SQLite fails.
pub fn page(
    db: &Connection,
    after: &str,
    limit: u32,
) -> Result<Vec<(String, UnixMicros)>, SqliteError> {
    let mut statement = db
        .prepare_cached("SELECT id, created_at FROM requests WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let rows = statement.query_map(params![after, limit], |row| {
        Ok((row.get(0)?, UnixMicros(row.get(1)?)))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Forgets these answers.
///
/// # Errors
/// If SQLite fails.
pub fn delete(db: &Connection, ids: &[String]) -> Result<(), SqliteError> {
    let mut statement = db.prepare_cached("DELETE FROM requests WHERE id = ?1")?;
    for id in ids {
        statement.execute([id])?;
    }
    Ok(())
}
