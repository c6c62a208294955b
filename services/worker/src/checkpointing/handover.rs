//! Reads where an earlier worker left a task, and ends that worker's session.

use std::time::SystemTime;

use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{GetCheckpointRequest, GetSessionRequest, SessionStatus};
use shim_render::resume_prompt::{PromptInput, Reader, build_prompt};
use shim_render::time;
use shim_render::verification::verify_claims;
use shim_runtime::client::Channel;
use shim_runtime::ids::{CheckpointId, Epoch};
use tonic::Status;

use super::session::{self, OwnedSession};

/// Reads a checkpoint as text for the next worker. A session of another worker ends with it: its work goes on here.
pub(super) async fn read_handover(
    mut client: CheckpointServiceClient<Channel>,
    checkpoint_id: CheckpointId,
) -> Result<String, Status> {
    let request = GetCheckpointRequest {
        checkpoint_id: checkpoint_id.into(),
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
        others: &[],
        reader: Reader::NextWorker,
    }))
}

/// Ends the session if a worker owns it. A Claude window keeps its session: it did more than this task.
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
    let owned = OwnedSession {
        id: session::decode_id(&session)?,
        epoch: Epoch(session.epoch),
    };
    session::end(client, owned).await
}
