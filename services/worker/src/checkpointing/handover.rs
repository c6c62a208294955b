//! What an earlier worker left of a task, in words for the next one.

use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{
    CheckpointState, GetCheckpointRequest, GetSessionRequest, SessionStatus,
};
use shim_runtime::client::Channel;
use tonic::Status;

use super::session;

/// Reads the checkpoint. If another worker's session is behind it, that is over: its work goes on here.
pub(super) async fn read_handover(
    mut client: CheckpointServiceClient<Channel>,
    checkpoint_id: &str,
) -> Result<String, Status> {
    let request = GetCheckpointRequest {
        checkpoint_id: checkpoint_id.to_owned(),
        ..GetCheckpointRequest::default()
    };
    let found = client.get_checkpoint(request).await?.into_inner();
    let session_id = found.checkpoint.unwrap_or_default().session_id;
    if let Err(status) = end_session_of_worker(client, session_id).await {
        tracing::debug!(
            "an earlier worker's session stays as it is: {}",
            status.message()
        );
    }
    Ok(render(&found.state.unwrap_or_default()))
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

fn render(state: &CheckpointState) -> String {
    let mut text = format!(
        "An earlier worker got {:.0} % of this done before it was lost. Do not repeat what is finished; check it, and \
         go on.\n",
        state.progress * 100.0
    );
    let sections = [
        ("What it did, in order", &state.completed_steps),
        ("What it decided", &state.decisions),
        ("What it wanted to do next", &state.next_steps),
        ("What stood in its way", &state.blockers),
    ];
    for (title, items) in sections {
        if !items.is_empty() {
            text.push_str(&format!("\n{title}:\n- {}\n", items.join("\n- ")));
        }
    }
    if !state.summary.is_empty() {
        text.push_str(&format!("\nIts summary:\n{}\n", state.summary));
    }
    text
}
