//! `view=workers`: the living workers, the load of each, and the tasks each is at.

use serde_json::json;
use shim_proto::coordination::v1::ListWorkersRequest;

use super::paging::limit;
use crate::render::json;
use crate::render::workers;
use crate::tool_error::ToolError;
use crate::tools::call::{ToolCall, ToolOutput};

pub(super) async fn run(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let request = ListWorkersRequest {
        page_size: limit(call),
        ..ListWorkersRequest::default()
    };
    let page = call.gateway.services.list_workers(request).await?;
    let has_more = !page.next_page_token.is_empty();
    let running = workers::running(&call.gateway.services, &page.workers).await;
    let structured = json!({
        "workers": page.workers.iter().map(json::worker).collect::<Vec<_>>(),
        "tasks": running.iter().map(json::subtask).collect::<Vec<_>>(),
        "has_more": has_more,
    });
    let answer = ToolOutput::new(workers::list(&page.workers, &running, has_more), structured);
    Ok(ToolOutput {
        session_id: call.gateway.sessions.default_id(),
        ..answer
    })
}
