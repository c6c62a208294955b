//! ReleaseLock: gives a lock back.

use shim_proto::coordination::v1::{ReleaseLockRequest, ReleaseLockResponse};
use shim_store::Once;
use shim_store::locks::Claim;
use tonic::Status;

use super::Api;
use super::fields::{Fields, MAX_ACTOR_BYTES};

pub(super) async fn handle(
    api: &Api,
    request: ReleaseLockRequest,
) -> Result<ReleaseLockResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let namespace = fields.namespace("namespace", &request.namespace);
    fields.key("name", &request.name);
    fields.required("owner", &request.owner, MAX_ACTOR_BYTES);
    fields.token("fencing_token", request.fencing_token);
    fields.finish()?;

    let once = Once::of(&request.request_id, &request);
    let locks = &api.store.locks;
    let place = locks.place(namespace, request.name);
    let claim = Claim {
        owner: request.owner,
        token: request.fencing_token,
    };
    let was_held = locks.release(&once, &place, &claim).await?;
    Ok(ReleaseLockResponse { was_held })
}
