//! TrustProject: whether a project's own code may run.

use shim_proto::evolution::v1::{Project, TrustProjectRequest, TrustProjectResponse};
use shim_sqlite::idempotency::IdempotencyKey;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: TrustProjectRequest,
) -> Result<TrustProjectResponse, Status> {
    let key = IdempotencyKey::new("TrustProject", &request.request_id, &request);
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let path = fields.path("path", &request.path);
    fields.finish()?;

    let project = api.engine.project(&path).await?;
    let root = project.root().to_string_lossy().into_owned();
    let response = TrustProjectResponse {
        project: Some(Project {
            is_trusted: request.trust,
            ..project.to_message()
        }),
    };
    let response = api
        .store
        .decide_trust(key, root, request.trust, response)
        .await?;
    Ok(response)
}
