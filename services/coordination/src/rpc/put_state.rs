//! PutState: replaces an entry, if it has the expected version.

use prost_types::Struct;
use shim_proto::coordination::v1::{PutStateRequest, PutStateResponse};
use shim_proto::limits::coordination::{MAX_ACTOR_BYTES, MAX_ENTRY_BYTES, MAX_FIELDS};
use shim_store::state::{Conditions, StateRef, WriteRequest};
use shim_store::{IdempotencyKey, timestamp};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: PutStateRequest,
) -> Result<PutStateResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let namespace = fields.namespace("namespace", &request.namespace);
    fields.key("key", &request.key);
    check_value(&mut fields, request.value.as_ref());
    fields.version("expected_version", request.expected_version.unwrap_or(0));
    let ttl = fields.state_ttl(request.ttl.as_ref());
    fields.line("writer", &request.writer, MAX_ACTOR_BYTES);
    let fence = fields.fence(request.fence.as_ref());
    fields.finish()?;

    let place = api.namespace(&namespace).await?;
    let write = WriteRequest {
        idempotency_key: IdempotencyKey::for_request(&request.request_id, &request),
        state_ref: StateRef {
            namespace,
            key: request.key,
        },
        conditions: Conditions {
            expected_version: request.expected_version,
            fence,
        },
        writer: request.writer,
    };
    let value = request.value.unwrap_or_default();
    let written = api.store.state.put(&write, &value, ttl).await?;
    place.note().await;
    Ok(PutStateResponse {
        version: written.version,
        expires_at: Some(timestamp(written.expires_ms)),
    })
}

/// Checks the size of the value, which must be there.
fn check_value(fields: &mut Fields, value: Option<&Struct>) {
    match value {
        Some(value) => {
            fields.list("value", value.fields.len(), MAX_FIELDS);
            fields.free_form("value", value, MAX_ENTRY_BYTES);
        }
        None => fields.refuse("value", "is required; it may be an empty object"),
    }
}
