//! The task on whose behalf a session submits a job.

use shim_proto::coordination::v1::{SubmitTaskRequest, SubmitTaskResponse};
use shim_proto::reasons::TASK_NOT_FOUND;
use shim_runtime::service_error::decode;
use tonic::Status;

use crate::services::request_id;
use crate::tools::call::ToolCall;

/// What stands for no task.
const NONE: &str = "none";
const LEFT_OUT: &str =
    "the task that this session works at is not known any more, so the job stands alone";

/// The parent of a job.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ParentTask {
    /// Empty for none.
    id: String,
    /// The caller named it, or named none.
    is_named: bool,
}

impl ParentTask {
    /// The task that is named, else the one that the session has claimed, else the one that the client is a program of.
    pub(super) fn of(call: &ToolCall, session_id: &str) -> Self {
        let named = call.arguments.text("parent_task_id");
        let claimed = || call.gateway.claims.current_task(session_id);
        let of_program = || call.gateway.client_context.task_id.clone();
        Self::choose(named, || {
            claimed().map(|task| task.task_id).or_else(of_program)
        })
    }

    fn choose(named: Option<&str>, own: impl FnOnce() -> Option<String>) -> Self {
        let is_named = named.is_some();
        let id = match named {
            Some(NONE) => String::new(),
            Some(id) => id.to_owned(),
            None => own().unwrap_or_default(),
        };
        Self { id, is_named }
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
    fn a_named_parent_goes_before_the_own_task_and_none_is_none() {
        let own = || Some("own".to_owned());
        let chosen = |named, own: Option<String>| ParentTask::choose(named, || own);
        let of = |id: &str, is_named| ParentTask {
            id: id.to_owned(),
            is_named,
        };
        assert_eq!(chosen(Some("named"), own()), of("named", true));
        assert_eq!(chosen(Some("none"), own()), of("", true));
        assert_eq!(chosen(None, own()), of("own", false));
        assert_eq!(chosen(None, None), of("", false));
    }
}
