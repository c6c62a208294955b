//! Idempotency: the answers given to request ids, kept in the same transaction as their effects.

use prost::Message;
use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::hash_chain::{self, Hash};
use crate::domain::time::UnixMicros;
use crate::error::Error;

/// A mutation as the ledger knows it.
#[derive(Debug, Clone)]
pub(crate) struct IdempotencyKey {
    id: String,
    digest: Hash,
}

impl IdempotencyKey {
    /// `message` is the whole request, whose id is `id`.
    pub(crate) fn new(method: &str, id: &str, message: &impl Message) -> Self {
        Self::with_content(method, id, message, &[])
    }

    /// Like [`IdempotencyKey::new`] for a message whose large part was taken out of it and hashed already.
    pub(crate) fn with_content(
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
            digest: hash_chain::hash(&bytes),
        }
    }
}

/// The answer given before, if this request was answered.
pub(crate) fn replay<R: Message + Default>(
    db: &Connection,
    key: &IdempotencyKey,
) -> Result<Option<R>, Error> {
    let found: Option<(Vec<u8>, Vec<u8>)> = db
        .prepare_cached("SELECT digest, answer FROM requests WHERE id = ?1")?
        .query_row([&key.id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match found {
        None => Ok(None),
        Some((digest, _)) if digest != key.digest => Err(Error::RequestIdReused(key.id.clone())),
        Some((_, response)) => R::decode(response.as_slice())
            .map(Some)
            .map_err(|_| Error::Damaged(format!("the answer to {}", key.id))),
    }
}

/// Keeps the answer.
pub(super) fn record(
    db: &Connection,
    key: &IdempotencyKey,
    response: &impl Message,
    now: UnixMicros,
) -> Result<(), Error> {
    db.prepare_cached(
        "INSERT INTO requests (id, digest, answer, created_at) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![key.id, key.digest, response.encode_to_vec(), now.0])?;
    Ok(())
}

/// Up to `limit` request ids behind `after`, with the times of their answers.
pub(crate) fn page(
    db: &Connection,
    after: &str,
    limit: u32,
) -> Result<Vec<(String, UnixMicros)>, Error> {
    let mut statement = db
        .prepare_cached("SELECT id, created_at FROM requests WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let rows = statement.query_map(params![after, limit], |row| {
        Ok((row.get(0)?, UnixMicros(row.get(1)?)))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Forgets these answers.
pub(crate) fn delete(db: &Connection, ids: &[String]) -> Result<(), Error> {
    let mut statement = db.prepare_cached("DELETE FROM requests WHERE id = ?1")?;
    for id in ids {
        statement.execute([id])?;
    }
    Ok(())
}
