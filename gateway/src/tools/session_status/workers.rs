//! `view=workers`: who can work now, how loaded each is, and what it is at.

use serde_json::json;
use shim_proto::coordination::v1::ListWorkersRequest;

use super::super::{Answer, Call};
use super::limit;
use crate::facts;
use crate::problem::Problem;
use crate::roster;

pub(super) async fn run(call: &Call) -> Result<Answer, Problem> {
    let request = ListWorkersRequest {
        page_size: limit(call),
        ..ListWorkersRequest::default()
    };
    let page = call.gateway.services.list_workers(request).await?;
    let has_more = !page.next_page_token.is_empty();
    let running = roster::running(&call.gateway.services, &page.workers).await;
    let facts = json!({
        "workers": page.workers.iter().map(facts::worker).collect::<Vec<_>>(),
        "tasks": running.iter().map(facts::subtask).collect::<Vec<_>>(),
        "has_more": has_more,
    });
    let answer = Answer::new(roster::list(&page.workers, &running, has_more), facts);
    Ok(Answer {
        session_id: call.gateway.sessions.default_id().await,
        ..answer
    })
}
