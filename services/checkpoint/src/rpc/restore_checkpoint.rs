//! RestoreCheckpoint: the caller becomes the owner and gets a prompt whose claims were checked.

use shim_proto::checkpoint::v1::{
    CheckpointTrigger, RestoreCheckpointRequest, RestoreCheckpointResponse,
};
use shim_runtime::ids::SessionId;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: RestoreCheckpointRequest,
) -> Result<RestoreCheckpointResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let checkpoint = fields.optional_id("checkpoint_id", &request.checkpoint_id);
    let session = fields.optional_id("session_id", &request.session_id);
    if checkpoint.is_none() && session.is_none() && request.session_id.is_empty() {
        fields.refuse("session_id", "is required unless checkpoint_id is given");
    }
    fields.client(request.client.as_ref());
    fields.files("current_files", &request.current_files);
    fields.git("current_git", request.current_git.as_ref());
    fields.finish()?;

    let store = &api.store;
    if let (Some(session), None) = (session, checkpoint) {
        save_observed(api, session).await;
    }
    let restored = store
        .restore_checkpoint(session, checkpoint, request)
        .await?;
    api.grant_lease(restored.session.as_ref());
    Ok(restored)
}

/// What was observed since the newest checkpoint is restored, too. Whether there is such a session the restore tells.
async fn save_observed(api: &Api, session: SessionId) {
    let saved = api
        .store
        .save_observed(session, CheckpointTrigger::Observed);
    if let Err(error) = saved.await {
        tracing::debug!(%session, %error, "what was observed could not be saved before a restore");
    }
}
