//! What an earlier worker left of a task, for the worker that goes on with it: the facts of its last checkpoint, and
//! what became of its files since.
//!
//! The earlier worker's session is not touched: it may live, and it is not this worker's to restore.

use std::time::{Duration, SystemTime};

use shim_proto::checkpoint::v1::{
    Checkpoint, CheckpointState, FileState, GetCheckpointRequest, GetSessionRequest,
};
use shim_render::page::Page;
use shim_render::resume_prompt::{PromptInput, Reader, build_prompt};
use shim_render::time;
use shim_render::verification::verify_claims;
use tonic::Status;

use crate::evidence;
use crate::gateway::Gateway;
use crate::tool_error::ToolError;

/// A claim has waited long enough; what comes later is asked for again.
const READ_TIMEOUT: Duration = Duration::from_millis(2_500);

/// What was left.
pub(crate) struct PriorWork {
    pub(crate) prompt: Page,
    /// Unset if it could not be read.
    pub(crate) checkpoint: Option<Checkpoint>,
}

/// What was left of a task whose last checkpoint this is; `None` if it has none.
pub(crate) async fn of_task(gateway: &Gateway, checkpoint_id: &str) -> Option<PriorWork> {
    if checkpoint_id.is_empty() {
        return None;
    }
    let read = tokio::time::timeout(READ_TIMEOUT, read(gateway, checkpoint_id)).await;
    let read = read.unwrap_or_else(|_| Err(Status::deadline_exceeded("it came too late")));
    Some(match read {
        Ok((checkpoint, state, files)) => PriorWork {
            prompt: Page::of_prompt(&prompt(&checkpoint, &state, &files)),
            checkpoint: Some(checkpoint),
        },
        Err(status) => PriorWork {
            prompt: unread(checkpoint_id, status),
            checkpoint: None,
        },
    })
}

fn unread(checkpoint_id: &str, status: Status) -> Page {
    let mut page = Page::of(format_args!(
        "An earlier worker saved checkpoint {checkpoint_id} for this task, which cannot be read now; action=claim tries \
         again."
    ));
    page.append(&ToolError::from(status).text());
    page
}

async fn read(
    gateway: &Gateway,
    checkpoint_id: &str,
) -> Result<(Checkpoint, CheckpointState, Vec<FileState>), Status> {
    let request = GetCheckpointRequest {
        checkpoint_id: checkpoint_id.to_owned(),
        ..GetCheckpointRequest::default()
    };
    let found = gateway.services.get_checkpoint(request).await?;
    let checkpoint = found.checkpoint.unwrap_or_default();
    let state = found.state.unwrap_or_default();
    let session = GetSessionRequest {
        session_id: checkpoint.session_id.clone(),
    };
    let session = gateway.services.get_session(session).await;
    let session = session.ok().and_then(|found| found.session);
    let project = session.map(|session| session.project).unwrap_or_default();
    let present = gateway.client_context.project.folder.as_deref();
    let (files, _) = evidence::inspect_project(&project, present, &state).await;
    Ok((checkpoint, state, files))
}

fn prompt(checkpoint: &Checkpoint, state: &CheckpointState, files_now: &[FileState]) -> String {
    let saved_at = time::moment(checkpoint.created_at.as_ref());
    build_prompt(&PromptInput {
        checkpoint,
        state,
        claims: &verify_claims(state, files_now, None),
        age: saved_at.and_then(|at| SystemTime::now().duration_since(at).ok()),
        others: &[],
        reader: Reader::NextWorker,
    })
}
