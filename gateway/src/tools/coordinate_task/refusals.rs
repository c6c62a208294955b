//! Refusals about tasks, with the steps that this tool knows.

use shim_proto::reasons::{
    LINEAGE_LIMIT, PARENT_CANCELLED, TASK_NOT_AWAITING_APPROVAL, TASK_NOT_FOUND, TOO_MANY_TASKS,
};
use tonic::Status;

use crate::tool_error::ToolError;

/// A refusal about a task, with the step that this tool knows.
pub(super) fn to_error(status: Status) -> ToolError {
    ToolError::from(status)
        .next_step_for(
            TASK_NOT_FOUND,
            "shim_session_status view=tasks lists the jobs; finished ones are forgotten after a while",
        )
        .next_step_for(
            TASK_NOT_AWAITING_APPROVAL,
            "only a task in state awaiting_approval can be approved: a job by its own task_id, a part with a gate of its \
             own by that part's; action=status lists them",
        )
        .next_step_for(
            LINEAGE_LIMIT,
            "do the rest of the work in this task, or give it as subtasks of one job; the user can raise tasks.max_depth and \
             tasks.max_descendants",
        )
        .next_step_for(
            PARENT_CANCELLED,
            "stop working at that task; a job that is not on its behalf is submitted with parent_task_id=\"none\"",
        )
        .next_step_for(
            TOO_MANY_TASKS,
            "wait until some have ended, cancel what is not needed (shim_session_status view=tasks), or use requirements that \
             other tasks have",
        )
}

/// The fault of an answer that lacks its task.
pub(super) fn missing_task() -> Status {
    Status::internal("the service answered without the task")
}
