//! What of a session is unfinished: the checkpoint that a restore goes on with, and the tasks beside it.

use shim_proto::checkpoint::v1::{
    GetCheckpointRequest, GetCheckpointResponse, OpenTask, Session, SessionTask,
};
use shim_render::id_part::IdPart;
use shim_render::session_tasks;
use shim_render::verification::open_steps;

use crate::connection::{Checkpoints, call, request};

/// Steps of a task that are told.
const MAX_STEPS: usize = 20;

/// The newest checkpoint of the task that the session goes on with, where `typed` names the session and not a checkpoint of
/// its own. A session can have finished its newest task and left another one.
pub(super) async fn to_go_on(
    service: &mut Checkpoints,
    typed: &str,
    session: &Session,
    newest: GetCheckpointResponse,
) -> GetCheckpointResponse {
    let is_prefix = || IdPart::of(typed).is_some_and(|id| id.matches(&session.id));
    let names_session = typed.eq_ignore_ascii_case(&session.id) || is_prefix();
    let number = newest.checkpoint.as_ref().map_or(0, |newest| newest.number);
    let task = session_tasks::to_go_on(session);
    let of_task = task.filter(|task| names_session && task.checkpoint_number < number);
    let Some(task) = of_task else {
        return newest;
    };
    // What cannot be read is passed over, as with any newest checkpoint.
    of_task_checkpoint(service, &task).await.unwrap_or(newest)
}

/// The unfinished tasks of a session, the first ones with their steps as far as they can be read.
pub(super) async fn tasks(service: &mut Checkpoints, session: &Session) -> Vec<OpenTask> {
    let mut open = Vec::new();
    let tasks = session_tasks::open(session);
    let with_steps = session_tasks::told_with_steps(&tasks);
    for (at, task) in tasks.into_iter().enumerate() {
        let found = match at < with_steps {
            true => of_task_checkpoint(service, &task).await,
            false => None,
        };
        let state = found.and_then(|found| found.state).unwrap_or_default();
        let steps = open_steps(&state).into_iter().take(MAX_STEPS);
        open.push(OpenTask {
            next_steps: steps.cloned().collect(),
            task: Some(task),
        });
    }
    open
}

async fn of_task_checkpoint(
    service: &mut Checkpoints,
    task: &SessionTask,
) -> Option<GetCheckpointResponse> {
    let asked = GetCheckpointRequest {
        checkpoint_id: task.checkpoint_id.clone(),
        ..GetCheckpointRequest::default()
    };
    call(service.get_checkpoint(request(asked))).await.ok()
}
