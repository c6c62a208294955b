//! The task on whose behalf a session submits a job.

use shim_proto::coordination::v1::{SubmitTaskRequest, SubmitTaskResponse};
use shim_proto::reasons::TASK_NOT_FOUND;
use shim_runtime::service_error::decode;
use tonic::Status;

use crate::arguments::NO_TASK;
use crate::services::request_id;
use crate::short_ids;
use crate::tool_error::ToolError;
use crate::tools::call::ToolCall;

const LEFT_OUT: &str =
    "the task that this session works at is not known any more, so the job stands alone";
/// What the task of the client's surroundings is called in a refusal.
const OF_PROGRAM: &str = "SHIM_TASK_ID of the gateway's environment";

/// The parent of a job.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ParentTask {
    /// Empty for none.
    id: String,
    /// The caller named it, or named none.
    is_named: bool,
    /// The client is a program of a task that is not known here.
    is_left_out: bool,
}

impl ParentTask {
    /// The task that is named, else the one that the session has claimed, else the one that the client is a program of.
    ///
    /// # Errors
    /// If the surroundings name more than one task; the service's refusals.
    pub(super) async fn of(call: &ToolCall, session_id: &str) -> Result<Self, ToolError> {
        if let Some(named) = call.arguments.text("parent_task_id") {
            return Ok(Self::named(named));
        }
        if let Some(claimed) = call.gateway.claims.current_task(session_id) {
            return Ok(Self::of_program(Some(claimed.task_id)));
        }
        let Some(typed) = &call.gateway.client_context.task_id else {
            return Ok(Self::default());
        };
        let found = short_ids::task_if_any(&call.gateway, OF_PROGRAM, typed).await?;
        Ok(Self::of_program(found))
    }

    fn named(named: &str) -> Self {
        let id = if named == NO_TASK { "" } else { named };
        Self {
            id: id.to_owned(),
            is_named: true,
            is_left_out: false,
        }
    }

    fn of_program(id: Option<String>) -> Self {
        Self {
            is_left_out: id.is_none(),
            id: id.unwrap_or_default(),
            is_named: false,
        }
    }
}

/// Submits a job below its parent. One that is not named and not known, of another stack or long ended, is left out.
pub(super) async fn submit(
    call: &ToolCall,
    mut request: SubmitTaskRequest,
    parent: ParentTask,
) -> Result<SubmitTaskResponse, Status> {
    let services = &call.gateway.services;
    request.parent_id.clone_from(&parent.id);
    let alone = SubmitTaskRequest {
        request_id: request_id(),
        parent_id: String::new(),
        ..request.clone()
    };
    match services.submit_task(request).await {
        Err(status) if !parent.is_named && is_unknown(&status) => {
            let mut submitted = services.submit_task(alone).await?;
            submitted.notes.push(LEFT_OUT.to_owned());
            Ok(submitted)
        }
        Ok(mut submitted) if parent.is_left_out => {
            submitted.notes.push(LEFT_OUT.to_owned());
            Ok(submitted)
        }
        answer => answer,
    }
}

fn is_unknown(status: &Status) -> bool {
    let refused = decode(status);
    let parent_alone =
        matches!(refused.violations.as_slice(), [(field, _)] if field == "parent_id");
    refused.reason == TASK_NOT_FOUND || parent_alone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_none_and_what_is_not_known_is_left_out() {
        let of = |id: &str, is_named, is_left_out| ParentTask {
            id: id.to_owned(),
            is_named,
            is_left_out,
        };
        assert_eq!(ParentTask::named("named"), of("named", true, false));
        assert_eq!(ParentTask::named("none"), of("", true, false));
        let own = Some("own".to_owned());
        assert_eq!(ParentTask::of_program(own), of("own", false, false));
        assert_eq!(ParentTask::of_program(None), of("", false, true));
    }
}
