//! DismissRecovery: off the list, nothing deleted.

use shim_proto::checkpoint::v1::{DismissRecoveryRequest, DismissRecoveryResponse};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: DismissRecoveryRequest,
) -> Result<DismissRecoveryResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let id = fields.id("session_id", &request.session_id);
    fields.finish()?;

    Ok(api.store.dismiss_recovery(id, request).await?)
}
