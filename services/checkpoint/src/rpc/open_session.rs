//! OpenSession: a new session owned by the caller, at epoch 1.

use shim_proto::checkpoint::v1::{OpenSessionRequest, OpenSessionResponse};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: OpenSessionRequest,
) -> Result<OpenSessionResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    fields.required_line("project", &request.project, 4_096);
    fields.line("title", &request.title, 500);
    fields.client(request.client.as_ref());
    fields.finish()?;

    let opened = api.store.open_session(request).await?;
    api.grant_lease(opened.session.as_ref());
    Ok(opened)
}
