//! Entries as they are stored: a hash with the entry's own fields `v` (version), `w` (writer) and `u` (time of the last
//! write), and one field for each field of its value.

use prost::Message;
use prost_types::{Struct, Value};
use serde_bytes::ByteBuf;
use shim_proto::coordination::v1::{StateChangeKind, StateEntry};

use super::model::StateRef;
use crate::clock::timestamp;
use crate::error::Error;
use crate::script_values::Pairs;

/// The first byte of a value field's stored name, which keeps it apart from the entry's own fields.
const FIELD: u8 = b':';

/// The hash of an entry: stored names and their values.
pub(super) type StoredFields = Pairs<ByteBuf, ByteBuf>;

/// The name under which a value's field is stored.
pub(super) fn stored_name(name: &str) -> Vec<u8> {
    [&[FIELD], name.as_bytes()].concat()
}

/// Reads an entry.
pub(super) fn entry(
    state_ref: StateRef,
    expires_ms: i64,
    Pairs(fields): StoredFields,
) -> Result<StateEntry, Error> {
    let mut entry = StateEntry {
        namespace: state_ref.namespace,
        key: state_ref.key,
        expires_at: Some(timestamp(expires_ms)),
        ..Default::default()
    };
    let mut value = Struct::default();
    for (name, stored) in fields {
        match name.as_slice() {
            b"v" => entry.version = number(&stored)?,
            b"u" => entry.updated_at = Some(timestamp(number(&stored)?)),
            b"w" => entry.writer = text(&stored)?,
            [FIELD, name @ ..] => {
                let stored = Value::decode(stored.as_slice()).map_err(|_| Error::Defect)?;
                value.fields.insert(text(name)?, stored);
            }
            _ => {}
        }
    }
    entry.value = Some(value);
    Ok(entry)
}

fn text(stored: &[u8]) -> Result<String, Error> {
    let text = std::str::from_utf8(stored).map_err(|_| Error::Defect)?;
    Ok(text.to_owned())
}

fn number<T: std::str::FromStr>(stored: &[u8]) -> Result<T, Error> {
    text(stored)?.parse().map_err(|_| Error::Defect)
}

/// The kind of a change, by its name in the history.
pub(super) fn kind(change: &str) -> StateChangeKind {
    match change {
        "put" => StateChangeKind::Put,
        "patched" => StateChangeKind::Patched,
        "deleted" => StateChangeKind::Deleted,
        _ => StateChangeKind::Expired,
    }
}
