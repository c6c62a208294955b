//! `view=tasks` and `view=queue`: the shared jobs, one of them with its parts, and how the queues are.

use serde_json::json;
use shim_proto::coordination::v1::{ListTasksRequest, QueueHealthRequest};

use super::super::{Answer, Call, coordinate_task};
use super::limit;
use crate::board;
use crate::facts;
use crate::problem::Problem;

pub(super) async fn run(call: &Call) -> Result<Answer, Problem> {
    if let Some(task_id) = call.arguments.text("query") {
        return coordinate_task::show(call, task_id.trim()).await;
    }
    let request = ListTasksRequest {
        page_size: u32::try_from(limit(call)).unwrap_or_default(),
        ..ListTasksRequest::default()
    };
    let page = call.gateway.services.list_tasks(request).await?;
    let has_more = !page.next_page_token.is_empty();
    let facts = json!({
        "tasks": page.tasks.iter().map(facts::subtask).collect::<Vec<_>>(),
        "has_more": has_more,
    });
    Ok(Answer {
        session_id: call.session_looked_from().await,
        ..Answer::new(board::jobs(&page.tasks, has_more), facts)
    })
}

pub(super) async fn queue(call: &Call) -> Result<Answer, Problem> {
    let health = call.gateway.services.queue_health(QueueHealthRequest {});
    let health = health.await?;
    let facts = json!({"queue": facts::queue(&health)});
    Ok(Answer {
        session_id: call.session_looked_from().await,
        ..Answer::new(board::queues(&health), facts)
    })
}
