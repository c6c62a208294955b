//! DeleteState: deletes an entry, if its version is the expected one.

use shim_proto::coordination::v1::{DeleteStateRequest, DeleteStateResponse};
use shim_store::Once;
use shim_store::state::{Conditions, Place};
use tonic::Status;

use super::Api;
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
    fields.fence(request.fence.as_ref());
    fields.finish()?;

    let once = Once::of(&request.request_id, &request);
    let place = Place {
        namespace,
        key: request.key,
    };
    let conditions = Conditions {
        expected_version: request.expected_version,
        fence: request.fence,
    };
    let existed = api.store.state.delete(&once, &place, &conditions).await?;
    Ok(DeleteStateResponse { existed })
}
