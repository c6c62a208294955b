//! How an entry lies in its hash: its own fields `v`, `w` and `u`, and one for each field of its value.

use prost::Message;
use prost_types::{Struct, Value};
use redis::FromRedisValue;
use shim_proto::coordination::v1::{StateChangeKind, StateEntry};

use super::clock::timestamp;
use super::state::StateRef;
use crate::error::Error;

/// Names of a value's fields are stored after this, apart from the entry's own.
const FIELD: u8 = b':';

/// The name a value's field is stored under.
pub(super) fn stored_name(name: &str) -> Vec<u8> {
    [&[FIELD], name.as_bytes()].concat()
}

/// Reads an entry.
pub(super) fn entry(
    state_ref: StateRef,
    expires_ms: i64,
    fields: Vec<Vec<u8>>,
) -> Result<StateEntry, Error> {
    let mut entry = StateEntry {
        namespace: state_ref.namespace,
        key: state_ref.key,
        expires_at: Some(timestamp(expires_ms)),
        ..Default::default()
    };
    let mut value = Struct::default();
    let mut fields = fields.into_iter();
    while let (Some(name), Some(stored)) = (fields.next(), fields.next()) {
        match name.as_slice() {
            b"v" => entry.version = number(stored)?,
            b"u" => entry.updated_at = Some(timestamp(number(stored)?)),
            b"w" => entry.writer = String::from_utf8(stored).map_err(|_| Error::Defect)?,
            [FIELD, name @ ..] => {
                let name = String::from_utf8(name.to_vec()).map_err(|_| Error::Defect)?;
                let stored = Value::decode(stored.as_slice()).map_err(|_| Error::Defect)?;
                value.fields.insert(name, stored);
            }
            _ => {}
        }
    }
    entry.value = Some(value);
    Ok(entry)
}

fn number<T: FromRedisValue>(stored: Vec<u8>) -> Result<T, Error> {
    T::from_redis_value(redis::Value::BulkString(stored)).map_err(|_| Error::Defect)
}

/// What a change of the history is called.
pub(super) fn kind(change: &str) -> StateChangeKind {
    match change {
        "put" => StateChangeKind::Put,
        "patched" => StateChangeKind::Patched,
        "deleted" => StateChangeKind::Deleted,
        _ => StateChangeKind::Expired,
    }
}
