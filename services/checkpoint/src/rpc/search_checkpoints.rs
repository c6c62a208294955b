//! SearchCheckpoints: full text, by words and within them.

use shim_proto::checkpoint::v1::{SearchCheckpointsRequest, SearchCheckpointsResponse};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::domain::snippet::terms;

pub(super) async fn handle(
    api: &Api,
    request: SearchCheckpointsRequest,
) -> Result<SearchCheckpointsResponse, Status> {
    let mut fields = Fields::default();
    fields.required("query", &request.query, 1_000);
    fields.line("project", &request.project, 4_096);
    let session = fields.optional_id("session_id", &request.session_id);
    let limit = fields.page_size("limit", request.limit, 10, 100);
    let terms = terms(&request.query);
    if terms.is_empty() && !request.query.trim().is_empty() {
        fields.refuse("query", "holds no word to search for");
    }
    fields.finish()?;

    let project = (!request.project.is_empty()).then_some(request.project);
    Ok(api.store.search(terms, project, session, limit).await?)
}
