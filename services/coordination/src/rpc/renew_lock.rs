//! RenewLock: extends a lock's time.

use shim_proto::coordination::v1::{RenewLockRequest, RenewLockResponse};
use shim_proto::limits::coordination::MAX_ACTOR_BYTES;
use shim_store::locks::LockOwnership;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: RenewLockRequest,
) -> Result<RenewLockResponse, Status> {
    let mut fields = Fields::default();
    let namespace = fields.namespace("namespace", &request.namespace);
    fields.key("name", &request.name);
    fields.required_line("owner", &request.owner, MAX_ACTOR_BYTES);
    let token = fields.token("fencing_token", request.fencing_token);
    let ttl = fields.lock_ttl(request.ttl.as_ref());
    fields.finish()?;

    let locks = &api.store.locks;
    let lock_ref = locks.lock_ref(namespace, request.name);
    let ownership = LockOwnership {
        owner: request.owner,
        token,
    };
    let lock = locks.renew(&lock_ref, &ownership, ttl).await?;
    Ok(RenewLockResponse { lock: Some(lock) })
}
