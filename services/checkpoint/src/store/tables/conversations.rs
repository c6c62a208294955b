//! Which session a conversation of a client belongs to.

use rusqlite::{Connection, OptionalExtension, params};
use shim_proto::checkpoint::v1::ClientInfo;

use crate::error::Error;

/// The row of the conversation's session.
pub(crate) fn session_of(
    db: &Connection,
    hostname: &str,
    conversation: &str,
) -> Result<Option<i64>, Error> {
    Ok(db
        .prepare_cached(
            "SELECT session FROM conversations WHERE hostname = ?1 AND conversation = ?2",
        )?
        .query_row([hostname, conversation], |row| row.get(0))
        .optional()?)
}

/// The conversation belongs to this session from now on.
pub(crate) fn bind(
    db: &Connection,
    hostname: &str,
    conversation: &str,
    session: i64,
) -> Result<(), Error> {
    db.prepare_cached(
        "INSERT INTO conversations (hostname, conversation, session) VALUES (?1, ?2, ?3)
         ON CONFLICT (hostname, conversation) DO UPDATE SET session = excluded.session",
    )?
    .execute(params![hostname, conversation, session])?;
    Ok(())
}

/// The same for the conversation that a client names, if it names one.
pub(crate) fn bind_client(
    db: &Connection,
    client: Option<&ClientInfo>,
    session: i64,
) -> Result<(), Error> {
    match client.filter(|client| !client.conversation.is_empty()) {
        Some(client) => bind(db, &client.hostname, &client.conversation, session),
        None => Ok(()),
    }
}

/// Whether the sessions of older versions were looked through.
pub(crate) fn are_filled(db: &Connection) -> Result<bool, Error> {
    let done: Option<i64> = db
        .query_row("SELECT done FROM conversations_filled", [], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(done == Some(1))
}

/// Notes that they were.
pub(crate) fn mark_filled(db: &Connection) -> Result<(), Error> {
    db.execute(
        "INSERT OR REPLACE INTO conversations_filled VALUES (1, 1)",
        [],
    )?;
    Ok(())
}
