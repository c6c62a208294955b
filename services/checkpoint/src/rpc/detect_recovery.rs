//! DetectRecovery: what can be brought back, best first.

use shim_proto::checkpoint::v1::{DetectRecoveryRequest, DetectRecoveryResponse};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::lease::alive_again::is_back;

pub(super) async fn handle(
    api: &Api,
    request: DetectRecoveryRequest,
) -> Result<DetectRecoveryResponse, Status> {
    let mut fields = Fields::default();
    fields.line("project", &request.project, 4_096);
    let limit = fields.page_size("limit", request.limit, 10, 100);
    fields.finish()?;

    let store = &api.store;
    let offered = store.recovery_candidates(request.project, request.only_project, limit, is_back);
    Ok(offered.await?)
}
