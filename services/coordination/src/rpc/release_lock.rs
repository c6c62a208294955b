//! ReleaseLock: releases a lock.

use shim_proto::coordination::v1::{ReleaseLockRequest, ReleaseLockResponse};
use shim_proto::limits::coordination::MAX_ACTOR_BYTES;
use shim_store::IdempotencyKey;
use shim_store::locks::LockOwnership;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: ReleaseLockRequest,
) -> Result<ReleaseLockResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let namespace = fields.namespace("namespace", &request.namespace);
    fields.key("name", &request.name);
    fields.required_line("owner", &request.owner, MAX_ACTOR_BYTES);
    let token = fields.token("fencing_token", request.fencing_token);
    fields.finish()?;

    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    let locks = &api.store.locks;
    let lock_ref = locks.lock_ref(namespace, request.name);
    let ownership = LockOwnership {
        owner: request.owner,
        token,
    };
    let was_held = locks
        .release(&idempotency_key, &lock_ref, &ownership)
        .await?;
    Ok(ReleaseLockResponse { was_held })
}
