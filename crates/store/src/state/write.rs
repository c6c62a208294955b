//! Writes: put, patch and delete, each one script that checks the version and the fence where it writes.

use std::time::Duration;

use prost::Message;
use prost_types::Struct;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::model::{
    Conditions, MAX_ENTRY_BYTES, MAX_FIELDS, Patch, StateRef, WriteRequest, Written,
};
use super::rows::stored_name;
use super::store::{HistoryArgs, States};
use crate::clock::millis;
use crate::error::Error;
use crate::fence::{lock_of, token_of};
use crate::idempotency::{self, REQUEST_ID_TTL};
use crate::keys::Slot;
use crate::metrics::{self, StaleWriteKind};
use crate::pubsub::open_envelope;
use crate::reply::Reply;
use crate::script::{Call, Script};
use crate::script_values::as_text;

/// The arguments of every guarded write.
#[derive(Serialize)]
struct WriteArgs<'a> {
    fingerprint: &'a str,
    keep_ms: u64,
    expected_version: Option<String>,
    fence_token: Option<String>,
    name: &'a str,
    writer: &'a str,
    envelope: String,
    #[serde(flatten)]
    history: HistoryArgs,
}

#[derive(Serialize)]
struct PutArgs<'a> {
    #[serde(flatten)]
    write: WriteArgs<'a>,
    ttl_ms: u64,
    fields: Vec<ByteBuf>,
}

#[derive(Serialize)]
struct PatchArgs<'a> {
    #[serde(flatten)]
    write: WriteArgs<'a>,
    ttl_ms: Option<u64>,
    default_ttl_ms: u64,
    create_if_missing: bool,
    max_bytes: usize,
    max_fields: usize,
    remove: Vec<ByteBuf>,
    fields: Vec<ByteBuf>,
}

#[derive(Deserialize)]
struct WrittenFields {
    #[serde(with = "as_text")]
    version: u64,
    expires_ms: i64,
}

#[derive(Deserialize)]
struct DeletedFields {
    existed: bool,
}

#[derive(Deserialize)]
struct MismatchFields {
    #[serde(with = "as_text")]
    current: u64,
}

#[derive(Deserialize)]
struct TooLargeFields {
    bytes: u64,
}

#[derive(Deserialize)]
struct FullFields {
    held: u64,
    max: u64,
    what: String,
}

#[derive(Deserialize)]
struct TooWideFields {
    count: u64,
}

impl States {
    /// Writes an entry whole, which lives for `ttl`. The caller checks the size of the value.
    ///
    /// # Errors
    /// `VersionMismatch`, `StaleFence`, `StateFull`, `RequestIdReused`, or as the store fails.
    pub async fn put(
        &self,
        request: &WriteRequest,
        value: &Struct,
        ttl: Duration,
    ) -> Result<Written, Error> {
        let slot = self.keys.namespace(&request.state_ref.namespace);
        let call = self.writing(&self.put, &slot, request).args(&PutArgs {
            write: Self::write_args(request, "put"),
            ttl_ms: millis(ttl),
            fields: stored_fields(value),
        });
        read_written(self.connection.call(&call).await?, request)
    }

    /// Changes single fields of an entry.
    ///
    /// # Errors
    /// `StateNotFound`, `VersionMismatch`, `StaleFence`, `StateTooLarge`, `StateTooWide`, `StateFull`,
    /// `RequestIdReused`, or as the store fails.
    pub async fn patch(&self, request: &WriteRequest, patch: &Patch) -> Result<Written, Error> {
        let slot = self.keys.namespace(&request.state_ref.namespace);
        let remove = patch.remove.iter();
        let call = self.writing(&self.patch, &slot, request).args(&PatchArgs {
            write: Self::write_args(request, "patched"),
            ttl_ms: patch.ttl.map(millis),
            default_ttl_ms: millis(patch.default_ttl),
            create_if_missing: patch.create_if_missing,
            max_bytes: MAX_ENTRY_BYTES,
            max_fields: MAX_FIELDS,
            remove: remove.map(|name| stored_name(name).into()).collect(),
            fields: stored_fields(&patch.set),
        });
        read_written(self.connection.call(&call).await?, request)
    }

    /// Deletes an entry; returns whether there was one.
    ///
    /// # Errors
    /// `VersionMismatch`, `StaleFence`, `RequestIdReused`, or as the store fails.
    pub async fn delete(&self, request: &WriteRequest) -> Result<bool, Error> {
        let slot = self.keys.namespace(&request.state_ref.namespace);
        let args = Self::write_args(request, "deleted");
        let call = self.writing(&self.delete, &slot, request).args(&args);
        let mut reply = self.connection.call(&call).await?;
        let deleted: DeletedFields = reply.accept(|status, reply| {
            refusal(status, reply, &request.state_ref, &request.conditions)
        })?;
        Ok(deleted.existed)
    }

    fn writing<'a>(&self, script: &'a Script, slot: &Slot, request: &WriteRequest) -> Call<'a> {
        self.changing(script, slot)
            .key(slot.item("state", &request.state_ref.key))
            .key(slot.lock(lock_of(request.conditions.fence.as_ref())))
            .key(slot.request_key(&request.idempotency_key.request_id))
    }

    fn write_args<'a>(request: &'a WriteRequest, change: &str) -> WriteArgs<'a> {
        let state_ref = &request.state_ref;
        let data = [
            ("namespace", state_ref.namespace.as_str()),
            ("key", state_ref.key.as_str()),
            ("change", change),
        ];
        let expected_version = request.conditions.expected_version;
        WriteArgs {
            fingerprint: &request.idempotency_key.fingerprint,
            keep_ms: millis(REQUEST_ID_TTL),
            expected_version: expected_version.map(|version| version.to_string()),
            fence_token: token_of(request.conditions.fence.as_ref()),
            name: &state_ref.key,
            writer: &request.writer,
            envelope: open_envelope(&request.writer, &data, "version"),
            history: Self::history_args(&state_ref.namespace),
        }
    }
}

/// The fields of a value as an entry's hash has them: names and values by turns.
fn stored_fields(value: &Struct) -> Vec<ByteBuf> {
    let mut fields = Vec::with_capacity(value.fields.len() * 2);
    for (name, value) in &value.fields {
        fields.push(ByteBuf::from(stored_name(name)));
        fields.push(ByteBuf::from(value.encode_to_vec()));
    }
    fields
}

fn read_written(mut reply: Reply, request: &WriteRequest) -> Result<Written, Error> {
    let explain = |status: &str, reply: &mut Reply| {
        refusal(status, reply, &request.state_ref, &request.conditions)
    };
    let written: WrittenFields = reply.accept(explain)?;
    Ok(Written {
        version: written.version,
        expires_ms: written.expires_ms,
    })
}

/// The error of a refused write; counts it.
fn refusal(
    status: &str,
    reply: &mut Reply,
    state_ref: &StateRef,
    conditions: &Conditions,
) -> Result<Error, Error> {
    count_refusal(status);
    let key = state_ref.key.clone();
    Ok(match status {
        "VERSION_MISMATCH" => Error::VersionMismatch {
            key,
            expected: conditions.expected_version.unwrap_or(0),
            current: reply.fields::<MismatchFields>()?.current,
        },
        "STATE_FULL" => state_full(reply, state_ref)?,
        "NOT_FOUND" => Error::StateNotFound {
            namespace: state_ref.namespace.clone(),
            key,
        },
        "TOO_LARGE" => Error::StateTooLarge {
            key,
            bytes: reply.fields::<TooLargeFields>()?.bytes,
            max: MAX_ENTRY_BYTES as u64,
        },
        "TOO_MANY_FIELDS" => Error::StateTooWide {
            key,
            fields: reply.fields::<TooWideFields>()?.count,
            max: MAX_FIELDS as u64,
        },
        other => idempotency::refusal(other, reply, conditions.fence.as_ref())?,
    })
}

/// Counts the refusals that tell of writers in each other's way.
fn count_refusal(status: &str) {
    match status {
        "VERSION_MISMATCH" => metrics::count_state_conflict(),
        "STALE_FENCE" => metrics::count_stale_write(StaleWriteKind::State),
        _ => {}
    }
}

/// The error of a write that its namespace has no room for.
fn state_full(reply: &mut Reply, state_ref: &StateRef) -> Result<Error, Error> {
    let full: FullFields = reply.fields()?;
    Ok(Error::StateFull {
        namespace: state_ref.namespace.clone(),
        held: full.held,
        max: full.max,
        what: full.what,
    })
}
