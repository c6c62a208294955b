//! GetLock: a lock with its holder, if it is held.

use shim_proto::coordination::v1::{GetLockRequest, GetLockResponse};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(api: &Api, request: GetLockRequest) -> Result<GetLockResponse, Status> {
    let mut fields = Fields::default();
    let namespace = fields.namespace("namespace", &request.namespace);
    fields.key("name", &request.name);
    fields.finish()?;

    let lock_ref = api.store.locks.lock_ref(namespace, request.name);
    let lock = api.store.locks.get(&lock_ref).await?;
    Ok(GetLockResponse { lock })
}
