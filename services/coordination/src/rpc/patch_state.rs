//! PatchState: sets and removes single fields of an entry.

use shim_proto::coordination::v1::{PatchStateRequest, PatchStateResponse};
use shim_proto::limits::coordination::{
    DEFAULT_STATE_TTL, MAX_ACTOR_BYTES, MAX_ENTRY_BYTES, MAX_FIELDS,
};
use shim_store::state::{Conditions, Patch, StateRef, WriteRequest};
use shim_store::{IdempotencyKey, timestamp};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

/// The longest name of a field to remove.
const MAX_FIELD_BYTES: usize = 8_192;

pub(super) async fn handle(
    api: &Api,
    request: PatchStateRequest,
) -> Result<PatchStateResponse, Status> {
    let mut fields = Fields::default();
    let (namespace, conditions) = check(&mut fields, &request);
    let ttl = request.ttl.as_ref();
    let ttl = ttl.map(|ttl| fields.state_ttl(Some(ttl)));
    fields.finish()?;

    let place = api.namespace(&namespace).await?;
    let write = WriteRequest {
        idempotency_key: IdempotencyKey::for_request(&request.request_id, &request),
        state_ref: StateRef {
            namespace,
            key: request.key,
        },
        conditions,
        writer: request.writer,
    };
    let patch = Patch {
        set: request.set.unwrap_or_default(),
        remove: request.remove,
        create_if_missing: request.create_if_missing,
        ttl,
        default_ttl: DEFAULT_STATE_TTL,
    };
    let written = api.store.state.patch(&write, &patch).await?;
    place.note().await;
    Ok(PatchStateResponse {
        version: written.version,
        expires_at: Some(timestamp(written.expires_ms)),
    })
}

/// Checks every field but the time to live; returns the namespace and the conditions of the write.
fn check(fields: &mut Fields, request: &PatchStateRequest) -> (String, Conditions) {
    fields.request_id(&request.request_id);
    let namespace = fields.namespace("namespace", &request.namespace);
    fields.key("key", &request.key);
    let set = request.set.as_ref();
    if set.is_none_or(|set| set.fields.is_empty()) && request.remove.is_empty() {
        fields.refuse("set", "is empty, and so is remove; name at least one field");
    }
    if let Some(set) = set {
        fields.list("set", set.fields.len(), MAX_FIELDS);
        fields.free_form("set", set, MAX_ENTRY_BYTES);
    }
    if fields.list("remove", request.remove.len(), MAX_FIELDS) {
        for (i, name) in request.remove.iter().enumerate() {
            fields.text(format_args!("remove[{i}]"), name, MAX_FIELD_BYTES);
            if set.is_some_and(|set| set.fields.contains_key(name)) {
                fields.refuse(format!("remove[{i}]"), "is in set too; choose one");
            }
        }
    }
    fields.version("expected_version", request.expected_version.unwrap_or(0));
    fields.line("writer", &request.writer, MAX_ACTOR_BYTES);
    let conditions = Conditions {
        expected_version: request.expected_version,
        fence: fields.fence(request.fence.as_ref()),
    };
    (namespace, conditions)
}
