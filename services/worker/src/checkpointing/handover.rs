//! What an earlier worker left of a task, in words for the next one.

use std::time::SystemTime;

use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{GetCheckpointRequest, GetSessionRequest, SessionStatus};
use shim_render::resume_prompt::{PromptInput, Reader, build_prompt};
use shim_render::time;
use shim_render::verification::verify_claims;
use shim_runtime::client::Channel;
use tonic::Status;

use super::session;

/// Reads the checkpoint. A session that a worker of this kind saved it in is ended: its work goes on here.
pub(super) async fn read_handover(
    mut client: CheckpointServiceClient<Channel>,
    checkpoint_id: &str,
) -> Result<String, Status> {
    let request = GetCheckpointRequest {
        checkpoint_id: checkpoint_id.to_owned(),
        ..GetCheckpointRequest::default()
    };
    let found = client.get_checkpoint(request).await?.into_inner();
    let checkpoint = found.checkpoint.unwrap_or_default();
    if let Err(status) = end_session_of_worker(client, checkpoint.session_id.clone()).await {
        tracing::debug!(
            "an earlier worker's session stays as it is: {}",
            status.message()
        );
    }
    let state = found.state.unwrap_or_default();
    let saved_at = time::moment(checkpoint.created_at.as_ref());
    Ok(build_prompt(&PromptInput {
        checkpoint: &checkpoint,
        state: &state,
        // The files of the earlier worker may lie on another machine: they stay unchecked.
        claims: &verify_claims(&state, &[], None),
        age: saved_at.and_then(|at| SystemTime::now().duration_since(at).ok()),
        reader: Reader::NextWorker,
    }))
}

/// The session of a Claude window is its own: it did more than this task.
async fn end_session_of_worker(
    mut client: CheckpointServiceClient<Channel>,
    session_id: String,
) -> Result<(), Status> {
    let request = GetSessionRequest { session_id };
    let found = client.get_session(request).await?.into_inner();
    let session = found.session.unwrap_or_default();
    let owner = session.client.clone().unwrap_or_default();
    if owner.name != session::CLIENT || session.status() == SessionStatus::Ended {
        return Ok(());
    }
    session::end(client, &session.id, session.epoch).await
}
