//! Versioned state: an entry is a hash with a field for each field of its value, so that a patch touches only its own.
//!
//! Beside the entries of a namespace: their names in order, their deadlines, and the history that watchers follow.

use std::time::Duration;

use prost::Message;
use prost_types::Struct;
use shim_proto::coordination::v1::{Fence, StateChangeKind, StateEntry};

use super::change_log::{ChangeLog, RawChange};
use super::clock::millis;
use super::connection::RedisConnection;
use super::entry_rows::{entry, kind, stored_name};
use super::idempotency::{IdempotencyKey, REQUEST_ID_TTL};
use super::keys::{Keys, Slot};
use super::pubsub::open_envelope;
use super::reply::Reply;
use super::script::{Call, Effect, Script};
use crate::error::Error;
use crate::metrics::{self, StaleWriteKind};

/// The bus channel of every change.
pub const UPDATED: &str = "state:updated";
/// The largest entry, names and values of its fields together.
pub const MAX_ENTRY_BYTES: usize = 1_048_576;
/// Fields of one entry.
pub const MAX_FIELDS: usize = 1_000;
/// A page of a list is at most this large: clients decode 4 MiB unless told otherwise.
const MAX_PAGE_BYTES: usize = 3 << 20;
/// Changes a watcher may be behind before it gets a new snapshot.
const HISTORY: usize = 10_000;
/// Entries taken off the lists in one step.
const SWEEP: usize = 256;
/// The history's name in its slot.
const CHANGES: &str = "state-changes";

/// Where an entry is.
#[derive(Debug, Clone)]
pub struct StateRef {
    /// Of which namespace.
    pub namespace: String,
    /// Its key there.
    pub key: String,
}

/// What must hold for a write to happen.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// `None`: whatever is there; 0: nothing.
    pub expected_version: Option<u64>,
    /// The lock that must be held in the entry's namespace, with its token.
    pub fence: Option<Fence>,
}

/// Single fields to change.
#[derive(Debug)]
pub struct Patch {
    /// Fields to write; the others stay.
    pub set: Struct,
    /// Names of fields to take out, unless they are written too.
    pub remove: Vec<String>,
    /// Whether to make the entry if there is none; expecting version 0 does so, too.
    pub create_if_missing: bool,
    /// From now on; `None`: as long as before.
    pub ttl: Option<Duration>,
    /// For a new entry, if `ttl` is `None`.
    pub default_ttl: Duration,
}

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The entry's new version.
    pub version: u64,
    /// When the entry ends, in milliseconds of Unix time, by Redis's clock.
    pub expires_ms: i64,
}

/// A page of entries.
#[derive(Debug)]
pub struct Page {
    /// Everything up to this version is in the page, perhaps more.
    pub version: u64,
    /// In the order of their keys.
    pub entries: Vec<StateEntry>,
    /// The key to go on after.
    pub next: Option<String>,
}

/// A change in a namespace's history.
#[derive(Debug)]
pub struct Change {
    /// The version it made, which is its position in the history.
    pub version: u64,
    /// What happened.
    pub kind: StateChangeKind,
    /// To which entry.
    pub key: String,
}

/// The states of all namespaces.
#[derive(Debug)]
pub struct States {
    connection: RedisConnection,
    keys: Keys,
    put: Script,
    patch: Script,
    delete: Script,
    get: Script,
    list: Script,
    sweep: Script,
    change_log: ChangeLog,
}

impl States {
    pub(super) fn new(connection: RedisConnection, keys: Keys) -> Self {
        let changing = |effect, body: &str| {
            Script::new(
                effect,
                &format!("{}\n{body}", include_str!("lua/state.lua")),
            )
        };
        Self {
            connection,
            keys,
            put: changing(Effect::Writes, include_str!("lua/put_state.lua")),
            patch: changing(Effect::Writes, include_str!("lua/patch_state.lua")),
            delete: changing(Effect::Frees, include_str!("lua/delete_state.lua")),
            get: Script::new(Effect::Reads, include_str!("lua/get_state.lua")),
            list: Script::new(Effect::Reads, include_str!("lua/list_state.lua")),
            sweep: changing(Effect::Frees, include_str!("lua/sweep_state.lua")),
            change_log: ChangeLog::new(CHANGES),
        }
    }

    /// Writes an entry whole. Its size is the caller's to check.
    ///
    /// # Errors
    /// `VersionMismatch`, `StaleFence`, `RequestIdReused`, or as the store fails.
    pub async fn put(
        &self,
        idempotency_key: &IdempotencyKey,
        state_ref: &StateRef,
        conditions: &Conditions,
        value: &Struct,
        ttl: Duration,
        writer: &str,
    ) -> Result<Written, Error> {
        let slot = self.keys.namespace(&state_ref.namespace);
        let mut call = changing(
            &self.put,
            &slot,
            idempotency_key,
            &state_ref.key,
            conditions,
        )
        .arg(idempotency_key.fingerprint.as_str())
        .arg(millis(REQUEST_ID_TTL))
        .arg(expected(conditions))
        .arg(millis(ttl))
        .arg(writer)
        .arg(state_ref.key.as_str())
        .arg(token(conditions))
        .arg(HISTORY)
        .arg(self.keys.channel(UPDATED))
        .arg(publication(writer, state_ref, "put"))
        .arg(expired_publication(&state_ref.namespace));
        for (name, value) in &value.fields {
            call = call.arg(stored_name(name)).arg(value.encode_to_vec());
        }
        read_written(self.connection.call(&call).await?, state_ref, conditions)
    }

    /// Changes single fields of an entry.
    ///
    /// # Errors
    /// `StateNotFound`, `VersionMismatch`, `StaleFence`, `StateTooLarge`, `StateTooWide`, `RequestIdReused`, or as the
    /// store fails.
    pub async fn patch(
        &self,
        idempotency_key: &IdempotencyKey,
        state_ref: &StateRef,
        conditions: &Conditions,
        patch: &Patch,
        writer: &str,
    ) -> Result<Written, Error> {
        let slot = self.keys.namespace(&state_ref.namespace);
        let mut call = changing(
            &self.patch,
            &slot,
            idempotency_key,
            &state_ref.key,
            conditions,
        )
        .arg(idempotency_key.fingerprint.as_str())
        .arg(millis(REQUEST_ID_TTL))
        .arg(expected(conditions))
        .arg(
            patch
                .ttl
                .map(|ttl| millis(ttl).to_string())
                .unwrap_or_default(),
        )
        .arg(writer)
        .arg(state_ref.key.as_str())
        .arg(token(conditions))
        .arg(HISTORY)
        .arg(self.keys.channel(UPDATED))
        .arg(publication(writer, state_ref, "patched"))
        .arg(expired_publication(&state_ref.namespace))
        .arg(millis(patch.default_ttl))
        .arg(u8::from(patch.create_if_missing))
        .arg(MAX_ENTRY_BYTES)
        .arg(MAX_FIELDS)
        .arg(patch.remove.len());
        for name in &patch.remove {
            call = call.arg(stored_name(name));
        }
        for (name, value) in &patch.set.fields {
            call = call.arg(stored_name(name)).arg(value.encode_to_vec());
        }
        read_written(self.connection.call(&call).await?, state_ref, conditions)
    }

    /// Deletes an entry; tells whether there was one.
    ///
    /// # Errors
    /// `VersionMismatch`, `StaleFence`, `RequestIdReused`, or as the store fails.
    pub async fn delete(
        &self,
        idempotency_key: &IdempotencyKey,
        state_ref: &StateRef,
        conditions: &Conditions,
    ) -> Result<bool, Error> {
        let slot = self.keys.namespace(&state_ref.namespace);
        let call = changing(
            &self.delete,
            &slot,
            idempotency_key,
            &state_ref.key,
            conditions,
        )
        .arg(idempotency_key.fingerprint.as_str())
        .arg(millis(REQUEST_ID_TTL))
        .arg(expected(conditions))
        .arg(state_ref.key.as_str())
        .arg(token(conditions))
        .arg(HISTORY)
        .arg(self.keys.channel(UPDATED))
        .arg(publication("", state_ref, "deleted"));
        let mut reply = self.connection.call(&call).await?;
        let status = reply.status()?;
        if status == "OK" {
            return reply.take();
        }
        Err(refusal(&status, &mut reply, state_ref, conditions)?)
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn get(&self, state_ref: &StateRef) -> Result<Option<StateEntry>, Error> {
        let slot = self.keys.namespace(&state_ref.namespace);
        let call = self.get.call().key(slot.item("state", &state_ref.key));
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        let expires_ms: i64 = reply.take()?;
        if expires_ms < 0 {
            return Ok(None);
        }
        entry(state_ref.clone(), expires_ms, reply.take()?).map(Some)
    }

    /// A page of at most `count` entries, fewer if they are large, whose keys begin with `prefix`, after the key `after`.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn list(
        &self,
        namespace: &str,
        prefix: &str,
        after: Option<&str>,
        count: u32,
    ) -> Result<Page, Error> {
        let slot = self.keys.namespace(namespace);
        let lowest = match after {
            Some(after) => format!("({after}"),
            None => format!("[{prefix}"),
        };
        // 0xff is in no UTF-8 text, so this is above every key with the prefix.
        let mut highest = format!("({prefix}").into_bytes();
        highest.push(0xff);
        let call = self
            .list
            .call()
            .key(slot.key("state-names"))
            .key(slot.clock())
            .arg(slot.item("state", ""))
            .arg(lowest)
            .arg(highest)
            .arg(count)
            .arg(MAX_PAGE_BYTES);
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        let version = reply.take()?;
        let last: String = reply.take()?;
        let entries = reply
            .rest::<(String, i64, Vec<Vec<u8>>)>()?
            .into_iter()
            .map(|(key, expires_ms, fields)| {
                let namespace = namespace.to_owned();
                entry(StateRef { namespace, key }, expires_ms, fields)
            })
            .collect::<Result<_, _>>()?;
        Ok(Page {
            version,
            entries,
            next: (!last.is_empty()).then_some(last),
        })
    }

    /// What changed after a version, in order, at most a batch; `None` if the history does not reach back so far.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn changes(&self, namespace: &str, after: u64) -> Result<Option<Vec<Change>>, Error> {
        let slot = self.keys.namespace(namespace);
        let Some(events) = self
            .change_log
            .since(&self.connection, &slot, after)
            .await?
        else {
            return Ok(None);
        };
        let change = |(version, mut fields): RawChange| {
            Some(Change {
                version,
                kind: kind(fields.get("c")?),
                key: fields.remove("k")?,
            })
        };
        Ok(Some(events.into_iter().filter_map(change).collect()))
    }

    /// Takes what went by itself off the lists and tells so.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn sweep(&self, namespace: &str) -> Result<(), Error> {
        let slot = self.keys.namespace(namespace);
        let call = lists(self.sweep.call().key(slot.item("state", "")), &slot)
            .arg(SWEEP)
            .arg(HISTORY)
            .arg(self.keys.channel(UPDATED))
            .arg(expired_publication(namespace));
        self.connection.call(&call).await.map(drop)
    }
}

/// The keys that all changes have in common.
fn changing<'a>(
    script: &'a Script,
    slot: &Slot,
    idempotency_key: &IdempotencyKey,
    key: &str,
    conditions: &Conditions,
) -> Call<'a> {
    let lock = conditions.fence.as_ref().map_or("", |fence| &fence.lock);
    lists(script.call().key(slot.item("state", key)), slot)
        .key(slot.lock(lock))
        .key(slot.request_key(&idempotency_key.request_id))
}

fn lists<'a>(call: Call<'a>, slot: &Slot) -> Call<'a> {
    call.key(slot.clock())
        .key(slot.key("state-names"))
        .key(slot.key("state-deadlines"))
        .key(slot.key(CHANGES))
}

fn expected(conditions: &Conditions) -> String {
    conditions
        .expected_version
        .map(|version| version.to_string())
        .unwrap_or_default()
}

fn token(conditions: &Conditions) -> String {
    conditions
        .fence
        .as_ref()
        .map(|fence| fence.token.to_string())
        .unwrap_or_default()
}

fn publication(writer: &str, state_ref: &StateRef, change: &str) -> String {
    let data = [
        ("namespace", state_ref.namespace.as_str()),
        ("key", state_ref.key.as_str()),
        ("change", change),
    ];
    open_envelope(writer, &data, "version")
}

/// What went by itself is named by the script.
fn expired_publication(namespace: &str) -> String {
    let data = [("namespace", namespace), ("change", "expired")];
    open_envelope("", &data, "key")
}

fn read_written(
    mut reply: Reply,
    state_ref: &StateRef,
    conditions: &Conditions,
) -> Result<Written, Error> {
    let status = reply.status()?;
    if status == "OK" {
        return Ok(Written {
            version: reply.take()?,
            expires_ms: reply.take()?,
        });
    }
    Err(refusal(&status, &mut reply, state_ref, conditions)?)
}

/// A script's refusal in the service's words.
fn refusal(
    status: &str,
    reply: &mut Reply,
    state_ref: &StateRef,
    conditions: &Conditions,
) -> Result<Error, Error> {
    match status {
        "VERSION_MISMATCH" => metrics::count_state_conflict(),
        "STALE_FENCE" => metrics::count_stale_write(StaleWriteKind::State),
        _ => {}
    }
    let key = state_ref.key.clone();
    Ok(match status {
        "VERSION_MISMATCH" => Error::VersionMismatch {
            key,
            expected: conditions.expected_version.unwrap_or(0),
            current: reply.take()?,
        },
        "NOT_FOUND" => Error::StateNotFound {
            namespace: state_ref.namespace.clone(),
            key,
        },
        "TOO_LARGE" => Error::StateTooLarge {
            key,
            bytes: reply.take()?,
            max: MAX_ENTRY_BYTES as u64,
        },
        "TOO_MANY_FIELDS" => Error::StateTooWide {
            key,
            fields: reply.take()?,
            max: MAX_FIELDS as u64,
        },
        other => super::idempotency::refusal(other, reply, conditions.fence.as_ref())?,
    })
}
