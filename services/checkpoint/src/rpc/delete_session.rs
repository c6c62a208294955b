//! DeleteSession: explicit and recorded.

use shim_proto::checkpoint::v1::{DeleteSessionRequest, DeleteSessionResponse};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: DeleteSessionRequest,
) -> Result<DeleteSessionResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let id = fields.id("session_id", &request.session_id);
    fields.finish()?;

    let deleted = api.store.delete_session(id, request).await?;
    api.leases.remove(id);
    Ok(deleted)
}
