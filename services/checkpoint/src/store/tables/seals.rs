//! Seals: what a program that can write the database, but has no key, can neither make nor take away unnoticed.
//!
//! (A) A session's seal covers its record and the hash of its newest checkpoint, and by those all that the hashes cover.
//! (B) The root covers the seals of all sessions, so one of them cannot be put back to an earlier state or taken away.
//! (C) A seal is renewed only if the row before still matched it: what was changed from outside stays visible for good.
//! (D) The key is known on the writer's thread while a job runs, and costs nothing where there is none.

use std::cell::RefCell;

use prost::Message;
use rusqlite::{Connection, OptionalExtension, params};
use shim_proto::checkpoint::v1::Session;
use shim_sqlite::UnixMicros;

use super::column;
use crate::domain::hash_chain::{self, Hash};
use crate::domain::seal::{Root, SealKey, SealedSession};
use crate::error::Error;

thread_local! {
    static KEY: RefCell<Option<SealKey>> = const { RefCell::new(None) };
}

/// Takes the key away again, also after a panic.
struct KeyGuard;

impl Drop for KeyGuard {
    fn drop(&mut self) {
        KEY.with_borrow_mut(|key| *key = None);
    }
}

/// Runs a job in which changed sessions are sealed with `key`, if there is one.
pub(crate) fn sealing<R>(key: Option<&SealKey>, job: impl FnOnce() -> R) -> R {
    let Some(key) = key else { return job() };
    KEY.with_borrow_mut(|slot| *slot = Some(key.clone()));
    let _guard = KeyGuard;
    job()
}

fn key() -> Option<SealKey> {
    KEY.with_borrow(Clone::clone)
}

/// The seal that a session has, from before it is changed.
pub(crate) enum Before {
    /// Nothing is sealed.
    NoKey,
    /// There was no such row.
    New,
    /// It matches its row.
    Intact(Hash),
    /// The row was changed from outside; no new seal may hide that.
    Broken,
}

/// Looks at a session's seal before the session is changed.
pub(crate) fn before(db: &Connection, session: i64) -> Result<Before, Error> {
    let Some(key) = key() else {
        return Ok(Before::NoKey);
    };
    let seal = read(db, session)?;
    let made = sealed(db, session)?.map(|sealed| sealed.seal(&key));
    Ok(match (seal, made) {
        (Some(seal), Some(made)) if seal == made => Before::Intact(seal),
        _ => {
            tracing::error!(
                row_id = session,
                "A SESSION DOES NOT MATCH ITS SEAL: something else than this service changed it; `shim sessions verify` says which"
            );
            Before::Broken
        }
    })
}

/// Seals a session that was changed, or added.
pub(crate) fn renew(db: &Connection, session: i64, before: &Before) -> Result<(), Error> {
    let old = match before {
        Before::NoKey | Before::Broken => return Ok(()),
        Before::New => None,
        Before::Intact(seal) => Some(*seal),
    };
    let Some(key) = key() else { return Ok(()) };
    let Some(sealed) = sealed(db, session)? else {
        return Ok(());
    };
    let new = sealed.seal(&key);
    db.prepare_cached("INSERT OR REPLACE INTO seals (session, seal) VALUES (?1, ?2)")?
        .execute(params![session, new])?;
    change_root(db, &key, |root| {
        if let Some(old) = old {
            root.toggle(&key, &sealed.id, &old);
        }
        root.toggle(&key, &sealed.id, &new);
    })
}

/// Takes a session's seal away, before the session is deleted.
pub(crate) fn remove(db: &Connection, session: i64) -> Result<(), Error> {
    let (Before::Intact(seal), Some(key)) = (before(db, session)?, key()) else {
        return Ok(());
    };
    let Some(sealed) = sealed(db, session)? else {
        return Ok(());
    };
    change_root(db, &key, |root| root.toggle(&key, &sealed.id, &seal))
}

fn change_root(
    db: &Connection,
    key: &SealKey,
    change: impl FnOnce(&mut Root),
) -> Result<(), Error> {
    let Some((mut root, seal)) = read_root(db)? else {
        return Ok(());
    };
    if root.seal(key) != seal {
        tracing::error!(
            "THE SEAL OVER ALL SESSIONS WAS CHANGED FROM OUTSIDE; `shim sessions verify` goes on to say so"
        );
        return Ok(());
    }
    change(&mut root);
    write_root(db, key, &root)
}

fn write_root(db: &Connection, key: &SealKey, root: &Root) -> Result<(), Error> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO seal_root (only_row, since, sum, seal) VALUES (1, ?1, ?2, ?3)",
    )?
    .execute(params![root.since, root.sum, root.seal(key)])?;
    Ok(())
}

/// The root and its seal; `None` if nothing was ever sealed.
pub(crate) fn read_root(db: &Connection) -> Result<Option<(Root, Hash)>, Error> {
    let found = db
        .prepare_cached("SELECT since, sum, seal FROM seal_root")?
        .query_row([], |row| {
            let since = column::integer(row, 0)?.unwrap_or_default();
            Ok((
                since,
                hash_of(column::bytes(row, 1)?),
                hash_of(column::bytes(row, 2)?),
            ))
        })
        .optional()?;
    Ok(found.map(|(since, sum, seal)| (Root { since, sum }, seal)))
}

/// A column that is no hash reads as zeros, which no seal is.
fn hash_of(bytes: Option<&[u8]>) -> Hash {
    bytes
        .and_then(|bytes| Hash::try_from(bytes).ok())
        .unwrap_or_default()
}

/// The stored seal of a session.
pub(crate) fn read(db: &Connection, session: i64) -> Result<Option<Hash>, Error> {
    Ok(db
        .prepare_cached("SELECT seal FROM seals WHERE session = ?1")?
        .query_row([session], |row| Ok(hash_of(column::bytes(row, 0)?)))
        .optional()?)
}

/// What the seal of a session covers, as it lies in the database now.
pub(crate) fn sealed(db: &Connection, session: i64) -> Result<Option<SealedSession>, Error> {
    let found: Option<(Vec<u8>, Vec<u8>)> = db
        .prepare_cached("SELECT id, record FROM sessions WHERE row_id = ?1")?
        .query_row([session], |row| {
            let owned = |at| column::bytes(row, at).map(|bytes| bytes.unwrap_or_default().to_vec());
            Ok((owned(0)?, owned(1)?))
        })
        .optional()?;
    let Some((id, record)) = found else {
        return Ok(None);
    };
    let head = Session::decode(record.as_slice()).map_or(0, |session| session.head_number);
    let head_hash: Option<Vec<u8>> = db
        .prepare_cached("SELECT hash FROM checkpoints WHERE session = ?1 AND number = ?2")?
        .query_row(
            params![session, i64::try_from(head).unwrap_or(i64::MAX)],
            |row| column::bytes(row, 0).map(|bytes| bytes.unwrap_or_default().to_vec()),
        )
        .optional()?;
    Ok(Some(SealedSession {
        id,
        record_hash: hash_chain::hash(&record),
        head_hash: head_hash.unwrap_or_default(),
    }))
}

/// Seals all sessions of a database that never was, as they are. Answers whether it did.
pub(crate) fn begin(db: &Connection, now: UnixMicros) -> Result<bool, Error> {
    let Some(key) = key() else { return Ok(false) };
    if read_root(db)?.is_some() {
        return Ok(false);
    }
    let mut root = Root {
        since: now.0,
        sum: Hash::default(),
    };
    let mut statement = db.prepare("SELECT row_id FROM sessions")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    let rows: Vec<i64> = rows.collect::<rusqlite::Result<_>>()?;
    for session in rows {
        let Some(sealed) = sealed(db, session)? else {
            continue;
        };
        let seal = sealed.seal(&key);
        db.prepare_cached("INSERT OR REPLACE INTO seals (session, seal) VALUES (?1, ?2)")?
            .execute(params![session, seal])?;
        root.toggle(&key, &sealed.id, &seal);
    }
    write_root(db, &key, &root)?;
    Ok(true)
}
