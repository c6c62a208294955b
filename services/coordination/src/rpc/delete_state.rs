//! DeleteState: deletes an entry, if it has the expected version.

use shim_proto::coordination::v1::{DeleteStateRequest, DeleteStateResponse};
use shim_store::IdempotencyKey;
use shim_store::state::{Conditions, StateRef, WriteRequest};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: DeleteStateRequest,
) -> Result<DeleteStateResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let namespace = fields.namespace("namespace", &request.namespace);
    fields.key("key", &request.key);
    fields.version("expected_version", request.expected_version.unwrap_or(0));
    let fence = fields.fence(request.fence.as_ref());
    fields.finish()?;

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
        writer: String::new(),
    };
    let existed = api.store.state.delete(&write).await?;
    Ok(DeleteStateResponse { existed })
}
