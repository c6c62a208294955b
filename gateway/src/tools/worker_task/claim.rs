//! `action=claim`: waits for a task and takes it, with all that is needed to begin.

use std::time::Duration;

use shim_proto::coordination::v1::{GetTaskRequest, Task, TaskState};
use shim_proto::reasons::{CANCELLED, NO_ROOM, STALE_WORKER, WORKER_NOT_FOUND};
use shim_proto::worker::v1::{ClaimTaskRequest, ClaimTaskResponse, ReleaseTaskRequest};
use shim_runtime::service_error::decode;
use tonic::{Code, Status};

use super::{handover, register};
use crate::claims::{ClaimedTask, ends_claim};
use crate::render::brief::Facts;
use crate::services::request_id;
use crate::sessions::OwnedSession;
use crate::tool_error::ToolError;
use crate::tools::call::{ToolCall, ToolOutput};

/// How long a claim waits at most: registering, a lost first attempt and reading what an earlier worker left take their
/// time, too, and a call has 28 s.
pub(super) const MAX_WAIT_S: u64 = 20;

pub(super) async fn run(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let owned = register::session(call).await?;
    let session_id = owned.session_id.clone();
    let about = |error: ToolError| error.about(session_id.as_str());
    if let Some((current, task)) = current_claim(call, &session_id).await {
        let answer = handover::render(
            call,
            &task,
            current.lease,
            (
                "This session still has a task; it takes one at a time.",
                &session_id,
            ),
        );
        return Ok(answer.await);
    }
    let mut epoch = ensure_registered(call, &owned).await?;
    let mut claimed = request_claim(call, &session_id, epoch).await;
    if claimed.as_ref().is_err_and(is_unregistered) {
        let capabilities = call.gateway.workers.registration_of(&session_id);
        let capabilities = capabilities.map(|(_, known)| known).unwrap_or_default();
        epoch = register::register(call, &owned, capabilities).await?.epoch;
        claimed = request_claim(call, &session_id, epoch).await;
    }
    let claimed = claimed.map_err(|status| about(to_error(status)))?;
    let Some(task) = claimed.task else {
        let answer = ToolOutput::new("No task came in time.", Facts::new(), NO_TASK);
        return Ok(answer.with_session(session_id));
    };
    if call.cancelled.is_cancelled() {
        return Err(about(
            release(call, &session_id, &task, claimed.lease).await,
        ));
    }
    let opening = ("You have a task.", session_id.as_str());
    Ok(handover::render(call, &task, claimed.lease, opening).await)
}

/// It also says that none came: some clients show nothing but the facts.
const NO_TASK: &str = "no task came: action=claim again goes on waiting, shim_session_status view=queue shows what waits";

/// The epoch of this session's worker, registered now if it was not, or if it can do other things by now.
async fn ensure_registered(call: &ToolCall, owned: &OwnedSession) -> Result<u64, ToolError> {
    let given = call.arguments.has("capabilities");
    let mut wanted = call.arguments.texts("capabilities");
    if let Some((epoch, mut known)) = call.gateway.workers.registration_of(&owned.session_id) {
        known.sort();
        wanted.sort();
        if !given || known == wanted {
            return Ok(epoch);
        }
    }
    Ok(register::register(call, owned, wanted).await?.epoch)
}

/// Asks for a task, and remembers it before anything else can fail.
async fn request_claim(
    call: &ToolCall,
    session_id: &str,
    epoch: u64,
) -> Result<ClaimTaskResponse, Status> {
    let seconds = call.arguments.integer("wait_seconds").unwrap_or(MAX_WAIT_S);
    let wait = call
        .gateway
        .client_context
        .within_call(Duration::from_secs(seconds));
    let claims = &call.gateway.claims;
    let request = claims.begin_claim(ClaimTaskRequest {
        request_id: request_id(),
        worker_id: session_id.to_owned(),
        epoch,
        wait: wait.try_into().ok(),
    });
    let answer = call.gateway.services.claim_task(request).await;
    match &answer {
        Ok(claimed) => {
            let current = claimed.task.as_ref().map(|task| ClaimedTask {
                task_id: task.task_id.clone(),
                lease: claimed.lease,
                checkpoint_id: String::new(),
            });
            claims.finish_claim(session_id, current);
            if claimed.task.is_some() {
                call.gateway.workers.notify_load_changed(session_id);
            }
        }
        // Whatever was refused on purpose took nothing.
        Err(status) if is_refusal(status) => claims.finish_claim(session_id, None),
        Err(_) => {}
    }
    answer
}

fn is_refusal(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::FailedPrecondition | Code::InvalidArgument | Code::NotFound | Code::AlreadyExists
    )
}

/// The registry knows the worker no more, or not in this epoch.
fn is_unregistered(status: &Status) -> bool {
    let reason = decode(status).reason;
    matches!(reason.as_str(), STALE_WORKER | WORKER_NOT_FOUND)
}

/// The task this session took before, if it is still its own: the answer with it may have been lost.
async fn current_claim(call: &ToolCall, session_id: &str) -> Option<(ClaimedTask, Task)> {
    let current = call.gateway.claims.current_task(session_id)?;
    let request = GetTaskRequest {
        task_id: current.task_id.clone(),
        with_subtasks: false,
    };
    let task = match call.gateway.services.try_get_task(request).await {
        Ok(found) => found.task,
        Err(status) if ends_claim(&status) => None,
        // It cannot be known now; if the claim stands, the service says that there is no room.
        Err(_) => return None,
    };
    let own = |task: &Task| task.state() == TaskState::Running && task.worker_id == session_id;
    match task.filter(own) {
        Some(task) => Some((current, task)),
        None => {
            call.gateway.claims.lose_claim(session_id, current.lease);
            None
        }
    }
}

/// The client does not wait for the answer any more: the task goes back at once.
async fn release(call: &ToolCall, session_id: &str, task: &Task, lease: u64) -> ToolError {
    let request = ReleaseTaskRequest {
        request_id: request_id(),
        task_id: task.task_id.clone(),
        lease,
        reason: "the claim was called off by its client".to_owned(),
    };
    if call.gateway.services.release_task(request).await.is_ok() {
        call.gateway.claims.end_claim(session_id, lease);
    }
    ToolError::new(CANCELLED, "the claim was called off; its task went back")
}

fn to_error(status: Status) -> ToolError {
    ToolError::from(status).next_step_for(
        NO_ROOM,
        "this worker has a task already, perhaps from before this process started: shim_session_status view=workers \
         names it; finish it with its lease (action=complete, fail or release), or ask its supervisor to cancel it",
    )
}
