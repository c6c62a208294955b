//! `view=tasks` and `view=queue`: the shared jobs, one of them with its parts, and how the queues are.

use serde_json::Value;
use shim_proto::coordination::v1::{ListTasksRequest, QueueHealthRequest};

use super::paging::limit;
use crate::arguments::Named;
use crate::render::brief::{self, Facts, Listing};
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
    let session_id = call.context_session_id();
    let listing = Listing::default();
    let listed: Vec<Value> = page.tasks.iter().map(|task| listing.task(task)).collect();
    let step = match listed.len() {
        0 => "shim_coordinate_task action=submit makes one",
        _ => "with a task_id in query, one of them is shown with its parts",
    };
    let facts = Facts::new()
        .set("tasks", listed)
        .set_some("has_more", has_more);
    Ok(ToolOutput::new(tasks::jobs(&page.tasks, has_more), facts, step).about(session_id))
}

pub(super) async fn queue(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let health = call.gateway.services.queue_health(QueueHealthRequest {});
    let health = health.await?;
    let facts = Facts::new().set("queue", brief::queue(&health));
    let is_starving = health.queues.iter().any(|queue| queue.starving);
    let step = match is_starving {
        true => {
            "shim_worker_task action=register with the capabilities that tasks wait for makes a session one that can do them"
        }
        false => "view=workers shows who can work, view=tasks what waits",
    };
    Ok(ToolOutput::new(queues::table(&health), facts, step).about(call.context_session_id()))
}
