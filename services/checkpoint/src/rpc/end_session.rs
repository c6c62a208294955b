//! EndSession: the owner ends its session on purpose; it is not offered for recovery.

use shim_proto::checkpoint::v1::{EndSessionRequest, EndSessionResponse, SessionOutcome};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: EndSessionRequest,
) -> Result<EndSessionResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let id = fields.id("session_id", &request.session_id);
    if SessionOutcome::try_from(request.outcome).is_err() {
        fields.refuse(
            "outcome",
            format!("{} is no SessionOutcome", request.outcome),
        );
    }
    fields.finish()?;

    let ended = api.store.end_session(id, request).await?;
    api.leases.remove(id);
    Ok(ended)
}
