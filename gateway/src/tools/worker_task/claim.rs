//! `action=claim`: waits for a task and takes it, with all that is needed to begin.

use std::time::Duration;

use serde_json::json;
use shim_proto::coordination::v1::{GetTaskRequest, Task, TaskState};
use shim_proto::worker::v1::{ClaimTaskRequest, ClaimTaskResponse, ReleaseTaskRequest};
use shim_runtime::fault::explain;
use tonic::{Code, Status};

use super::super::{Answer, Call};
use super::{handover, register};
use crate::claims::{Held, ends_a_claim};
use crate::problem::Problem;
use crate::services::request_id;
use crate::sessions::Owned;

/// How long a claim waits at most: registering, a lost first attempt and reading what an earlier worker left take their
/// time, too, and a call has 28 s.
pub(super) const MAX_WAIT_S: u64 = 20;

pub(super) async fn run(call: &Call) -> Result<Answer, Problem> {
    let owned = register::session(call).await?;
    let session_id = owned.session_id.clone();
    let about = |problem: Problem| problem.about(session_id.as_str());
    if let Some((held, task)) = still_held(call, &session_id).await {
        let answer = handover::tell(
            call,
            &task,
            held.lease,
            "This session still has a task; it takes one at a time.",
        );
        return Ok(answer.await.of_session(session_id));
    }
    let mut epoch = registered(call, &owned).await?;
    let mut claimed = ask(call, &session_id, epoch).await;
    if claimed.as_ref().is_err_and(is_unregistered) {
        let capabilities = call.gateway.workers.registered(&session_id).await;
        let capabilities = capabilities.map(|(_, known)| known).unwrap_or_default();
        epoch = register::register(call, &owned, capabilities).await?.epoch;
        claimed = ask(call, &session_id, epoch).await;
    }
    let claimed = claimed.map_err(|status| about(refused(status)))?;
    let Some(task) = claimed.task else {
        return Ok(Answer::new(NONE, json!({})).of_session(session_id));
    };
    if call.cancelled.is_cancelled() {
        return Err(about(
            give_back(call, &session_id, &task, claimed.lease).await,
        ));
    }
    let answer = handover::tell(call, &task, claimed.lease, "You have a task.").await;
    Ok(answer.of_session(session_id))
}

const NONE: &str = "No task came in time. Next: action=claim again goes on waiting; messages from others come in the \
    notices. shim_session_status view=queue shows whether tasks wait for other capabilities.";

/// The epoch of this session's worker, registered now if it was not, or if it can do other things by now.
async fn registered(call: &Call, owned: &Owned) -> Result<u64, Problem> {
    let given = call.arguments.has("capabilities");
    let mut wanted = call.arguments.texts("capabilities");
    if let Some((epoch, mut known)) = call.gateway.workers.registered(&owned.session_id).await {
        known.sort();
        wanted.sort();
        if !given || known == wanted {
            return Ok(epoch);
        }
    }
    Ok(register::register(call, owned, wanted).await?.epoch)
}

/// Asks for a task, and remembers it before anything else can fail.
async fn ask(call: &Call, session_id: &str, epoch: u64) -> Result<ClaimTaskResponse, Status> {
    let seconds = call.arguments.whole("wait_seconds").unwrap_or(MAX_WAIT_S);
    let claims = &call.gateway.claims;
    let request = claims.ask(ClaimTaskRequest {
        request_id: request_id(),
        worker_id: session_id.to_owned(),
        epoch,
        wait: Duration::from_secs(seconds).try_into().ok(),
    });
    let answer = call.gateway.services.claim_task(request).await;
    match &answer {
        Ok(claimed) => {
            let held = claimed.task.as_ref().map(|task| Held {
                task_id: task.task_id.clone(),
                lease: claimed.lease,
                checkpoint_id: String::new(),
            });
            claims.answered(session_id, held);
            if claimed.task.is_some() {
                call.gateway.workers.load_changed(session_id);
            }
        }
        // Whatever was refused on purpose took nothing.
        Err(status) if is_refusal(status) => claims.answered(session_id, None),
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
    let reason = explain(status).reason;
    matches!(reason.as_str(), "STALE_WORKER" | "WORKER_NOT_FOUND")
}

/// The task this session took before, if it is still its own: the answer that told it may have been lost.
async fn still_held(call: &Call, session_id: &str) -> Option<(Held, Task)> {
    let held = call.gateway.claims.held(session_id)?;
    let request = GetTaskRequest {
        task_id: held.task_id.clone(),
        with_subtasks: false,
    };
    let task = match call.gateway.services.look_at_task(request).await {
        Ok(found) => found.task,
        Err(status) if ends_a_claim(&status) => None,
        // It cannot be known now; if the claim stands, the service says that there is no room.
        Err(_) => return None,
    };
    let own = |task: &Task| task.state() == TaskState::Running && task.worker_id == session_id;
    match task.filter(own) {
        Some(task) => Some((held, task)),
        None => {
            call.gateway.claims.ended(session_id, held.lease);
            None
        }
    }
}

/// Nobody hears the answer: the task goes back at once instead of waiting here for nothing.
async fn give_back(call: &Call, session_id: &str, task: &Task, lease: u64) -> Problem {
    let request = ReleaseTaskRequest {
        request_id: request_id(),
        task_id: task.task_id.clone(),
        lease,
        reason: "the claim was called off by its client".to_owned(),
    };
    if call.gateway.services.release_task(request).await.is_ok() {
        call.gateway.claims.ended(session_id, lease);
    }
    Problem::new("CANCELLED", "the claim was called off; its task went back")
}

fn refused(status: Status) -> Problem {
    Problem::from(status).next_step_for(
        "NO_ROOM",
        "this worker has a task already, perhaps from before this process started: shim_session_status view=workers \
         names it; finish it with its lease (action=complete, fail or release), or ask its supervisor to cancel it",
    )
}
