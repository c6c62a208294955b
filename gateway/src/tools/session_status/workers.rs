//! `view=workers`: the living workers, the load of each, and the tasks each is at.

use serde_json::Value;
use shim_proto::coordination::v1::ListWorkersRequest;

use super::paging::limit;
use crate::render::brief::{self, Facts};
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
    let own = call.gateway.sessions.default_id();
    let listed = page.workers.iter();
    let listed: Vec<Value> = listed
        .map(|worker| brief::listed_worker(worker, &running, own.as_deref()))
        .collect();
    let step = match listed.len() {
        0 => "shim_worker_task action=register makes a session one",
        _ => "shim_coordinate_task action=message with to_worker reaches one of them",
    };
    let facts = Facts::new()
        .set("workers", listed)
        .set_some("has_more", has_more);
    let text = workers::list(&page.workers, &running, has_more);
    Ok(ToolOutput::new(text, facts, step).about(own))
}
