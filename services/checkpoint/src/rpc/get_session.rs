//! GetSession.

use shim_proto::checkpoint::v1::{GetSessionRequest, GetSessionResponse};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: GetSessionRequest,
) -> Result<GetSessionResponse, Status> {
    let mut fields = Fields::default();
    let id = fields.id("session_id", &request.session_id);
    fields.finish()?;
    let session = api.store.find_session(id).await?;
    Ok(GetSessionResponse {
        session: Some(api.with_attached(session)),
    })
}
