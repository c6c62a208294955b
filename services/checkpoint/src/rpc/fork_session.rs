//! ForkSession: a new session that starts from a checkpoint of another.

use shim_proto::checkpoint::v1::{ForkSessionRequest, ForkSessionResponse};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: ForkSessionRequest,
) -> Result<ForkSessionResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let id = fields.id("checkpoint_id", &request.checkpoint_id);
    fields.line("title", &request.title, 500);
    fields.client(request.client.as_ref());
    fields.finish()?;

    let forked = api.store.fork_session(id, request).await?;
    api.grant_lease(forked.session.as_ref());
    Ok(forked)
}
