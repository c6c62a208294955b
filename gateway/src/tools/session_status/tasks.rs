//! `view=tasks` and `view=queue`: the shared jobs, one of them with its parts, and how the queues are.

use serde_json::json;
use shim_proto::coordination::v1::{ListTasksRequest, QueueHealthRequest};

use super::paging::limit;
use crate::arguments::Named;
use crate::render::json;
use crate::render::queues;
use crate::render::tasks;
use crate::short_ids;
use crate::tool_error::ToolError;
use crate::tools::call::{ToolCall, ToolOutput};
use crate::tools::coordinate_task::status::show;

pub(super) async fn run(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    if let Some(task_id) = call.arguments.text("query") {
        let gateway = &call.gateway;
        let task_id = short_ids::named(gateway, Named::Task, "query", task_id.trim()).await?;
        return show(call, &task_id).await;
    }
    let request = ListTasksRequest {
        page_size: u32::try_from(limit(call)).unwrap_or_default(),
        ..ListTasksRequest::default()
    };
    let page = call.gateway.services.list_tasks(request).await?;
    let has_more = !page.next_page_token.is_empty();
    let structured = json!({
        "tasks": page.tasks.iter().map(json::subtask).collect::<Vec<_>>(),
        "has_more": has_more,
    });
    Ok(ToolOutput {
        session_id: call.context_session_id(),
        ..ToolOutput::new(tasks::jobs(&page.tasks, has_more), structured)
    })
}

pub(super) async fn queue(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let health = call.gateway.services.queue_health(QueueHealthRequest {});
    let health = health.await?;
    let structured = json!({"queue": json::queue(&health)});
    Ok(ToolOutput {
        session_id: call.context_session_id(),
        ..ToolOutput::new(queues::table(&health), structured)
    })
}
