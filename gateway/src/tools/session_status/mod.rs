//! `shim_session_status`: looks at sessions, their history and what they hold, and changes nothing.

mod leases;
mod paging;
mod tasks;
mod workers;

use serde_json::json;
use shim_proto::checkpoint::v1::{
    AssessRiskRequest, AssessRiskResponse, Checkpoint, GetSessionRequest, ListCheckpointsRequest,
    ListCheckpointsResponse, ListSessionsRequest, SearchCheckpointsRequest,
    SearchCheckpointsResponse, Session,
};
use shim_proto::reasons::BAD_REQUEST;
use shim_render::figures::percent;
use shim_render::page::Page;
use shim_render::text::{entry, name, one_line};
use shim_render::words;
use tonic::Status;

use crate::arguments::{Named, ParameterType, optional};
use crate::render::json;
use crate::render::phrases;
use crate::tool_error::ToolError;
use crate::tools::call::{ToolCall, ToolOutput};
use crate::tools::spec::{Hints, ToolSpec, output};
use paging::limit;

const MAX_LIMIT: u64 = 50;
const MAX_TASK_CHARACTERS: usize = 100;
const MAX_PROJECT_CHARACTERS: usize = 1_024;
const MAX_SNIPPET_CHARACTERS: usize = 1_000;

pub(super) const SPEC: ToolSpec = ToolSpec {
    name: "shim_session_status",
    title: "Look at sessions and work",
    description: "Shows what SHIM knows; it changes nothing and starts no session.\n\
        view \"session\" (the default): one session with its status, risk, newest checkpoints and the files it has \
        leased; \"sessions\": the sessions of all projects, most recently changed first; \"search\": checkpoints that \
        hold all words of query in their task, summary, decisions, steps or blockers; \"workers\": who can work now, \
        with capabilities, load and running task; \"tasks\": the shared jobs, newest first, or with a task_id in query \
        one of them with its parts; \"queue\": how many tasks wait, for whom, and what goes wrong.\n\
        Useful to find out what was decided earlier, what another conversation did, whom a message can be sent to, \
        or which session_id to pass on.",
    parameters: &[
        optional(
            "view",
            ParameterType::Choice(&["session", "sessions", "tasks", "workers", "queue", "search"]),
            "What to look at; \"session\" if left out.",
        ),
        optional(
            "query",
            ParameterType::Text { max_bytes: 1_000 },
            "For search (required there): words that must all occur; \"...\" keeps a phrase together; at most 1,000 bytes. For tasks: the task_id of one to show with its parts; the last eight digits or JOB/PART do, too.",
        ),
        optional(
            "session_id",
            ParameterType::id(Named::Session),
            "The session to look at or to search in; left out, this process's own, or all in a search.",
        ),
        optional(
            "limit",
            ParameterType::Integer {
                min: 1,
                max: MAX_LIMIT,
            },
            "How many entries at most, 1 to 50; 10 if left out.",
        ),
    ],
    hints: Hints {
        read_only: true,
        destructive: false,
        idempotent: true,
        open_world: false,
    },
    always_load: false,
    outputs: &[
        output("session", "object", "view session: the session."),
        output(
            "checkpoints",
            "array",
            "view session: its checkpoints, newest first.",
        ),
        output(
            "risk",
            "object",
            "view session: risk, level and factors as they stand.",
        ),
        output(
            "files",
            "array",
            "view session: its file leases: patterns, mode, purpose, expires_at; left out if they cannot be known now.",
        ),
        output(
            "claim",
            "object",
            "view session: the shared task it has taken: task_id, lease.",
        ),
        output(
            "workers",
            "array",
            "view workers: the living workers: worker_id, name, kind, capabilities, running, capacity, state, health.",
        ),
        output(
            "tasks",
            "array",
            "view tasks: the jobs, newest first; view workers: what they are at.",
        ),
        output("task", "object", "view tasks with query: the task."),
        output(
            "subtasks",
            "array",
            "view tasks with query: its parts, at most 50.",
        ),
        output(
            "more_subtasks",
            "integer",
            "view tasks with query: how many parts are not listed.",
        ),
        output(
            "queue",
            "object",
            "view queue: queues, completed_last_minute, failed_last_minute, dead_letters, awaiting_approval.",
        ),
        output(
            "sessions",
            "array",
            "view sessions: the sessions, most recently changed first.",
        ),
        output(
            "hits",
            "array",
            "view search: the checkpoints found, best first, each with a snippet.",
        ),
        output(
            "incomplete",
            "boolean",
            "view search: whether older checkpoints were left out for lack of time.",
        ),
        output(
            "has_more",
            "boolean",
            "Whether there are more entries than the limit let through.",
        ),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    match call.arguments.text("view") {
        Some("sessions") => sessions(call).await,
        Some("search") => search(call).await,
        Some("workers") => workers::run(call).await,
        Some("tasks") => tasks::run(call).await,
        Some("queue") => tasks::queue(call).await,
        _ => session(call).await,
    }
}

async fn session(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let Some(session_id) = call.context_session_id() else {
        return Ok(ToolOutput::new(NO_SESSION, json!({})));
    };
    let (found, history, risk) = read_session(call, &session_id)
        .await
        .map_err(|status| ToolError::from(status).about(session_id.as_str()))?;
    let mut structured = json!({
        "session": json::session(&found),
        "checkpoints": history.checkpoints.iter().map(json::checkpoint).collect::<Vec<_>>(),
        "has_more": !history.next_page_token.is_empty(),
    });
    if let Some(assessment) = &risk.assessment {
        structured["risk"] = json::assessment(assessment);
    }
    let mut text = history_text(&found, &history);
    if let Some(file_leases) = leases::of(call, &found).await {
        structured["files"] = file_leases.iter().map(json::file_lease).collect();
        text.append(&leases::text(&file_leases));
    }
    if let Some(current) = call.gateway.claims.current_task(&session_id) {
        structured["claim"] =
            json!({"task_id": current.task_id, "lease": current.lease.to_string()});
        text.line(format!(
            "- has the task {} (lease {})",
            current.task_id, current.lease
        ));
    }
    Ok(ToolOutput::new(text, structured).with_session(session_id))
}

async fn read_session(
    call: &ToolCall,
    session_id: &str,
) -> Result<(Session, ListCheckpointsResponse, AssessRiskResponse), Status> {
    let services = &call.gateway.services;
    let session_id = session_id.to_owned();
    let (found, history, risk) = tokio::try_join!(
        services.get_session(GetSessionRequest {
            session_id: session_id.clone()
        }),
        services.list_checkpoints(ListCheckpointsRequest {
            session_id: session_id.clone(),
            page_size: limit(call),
            page_token: String::new(),
        }),
        services.assess_risk(AssessRiskRequest {
            session_id,
            signals: None
        }),
    )?;
    let found = found.session;
    let found =
        found.ok_or_else(|| Status::internal("the service answered without the session"))?;
    Ok((found, history, risk))
}

fn history_text(session: &Session, history: &ListCheckpointsResponse) -> Page {
    let mut text = Page::of(format_args!("Session: {}", line(session)));
    if !history.damaged_numbers.is_empty() {
        text.line(format!(
            "Damaged checkpoints left out: {:?}",
            history.damaged_numbers
        ));
    }
    for checkpoint in &history.checkpoints {
        text.line(checkpoint_line(checkpoint));
    }
    text
}

const NO_SESSION: &str = "This process has no session yet; shim_auto_checkpoint starts one, and view=sessions lists \
    the sessions there are.";

fn line(session: &Session) -> String {
    let attached = if session.attached { ", attached" } else { "" };
    format!(
        "{} [{}{attached}, risk {}] {} done, {} checkpoint(s), last saved {}, project {}, session_id={}",
        match session.current_task.as_str() {
            "" => "(nothing saved yet)".to_owned(),
            task => entry(task, MAX_TASK_CHARACTERS),
        },
        words::session_status(session.status()),
        words::risk_level(session.risk_level()),
        percent(session.progress),
        session.head_number,
        phrases::ago(session.last_checkpoint_at.as_ref()),
        name(&session.project, MAX_PROJECT_CHARACTERS),
        session.id,
    )
}

fn checkpoint_line(checkpoint: &Checkpoint) -> String {
    format!(
        "- #{} {} ({}, {} done): {} checkpoint_id={}",
        checkpoint.number,
        phrases::ago(checkpoint.created_at.as_ref()),
        words::checkpoint_trigger(checkpoint.trigger()),
        percent(checkpoint.progress),
        one_line(&checkpoint.current_task, MAX_TASK_CHARACTERS),
        checkpoint.id,
    )
}

async fn sessions(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let request = ListSessionsRequest {
        page_size: limit(call),
        ..Default::default()
    };
    let page = call.gateway.services.list_sessions(request).await?;
    let has_more = !page.next_page_token.is_empty();
    let mut text = Page::of(match page.sessions.len() {
        0 => "There are no sessions yet.".to_owned(),
        count if has_more => format!("The {count} sessions changed last; there are more:"),
        count => format!("{count} session(s):"),
    });
    for session in &page.sessions {
        text.line(format!("- {}", line(session)));
    }
    let structured = json!({
        "sessions": page.sessions.iter().map(json::session).collect::<Vec<_>>(),
        "has_more": has_more,
    });
    let answer = ToolOutput::new(text, structured);
    Ok(ToolOutput {
        session_id: call.gateway.sessions.default_id(),
        ..answer
    })
}

/// A line for each hit, with its snippet.
fn found_text(found: &SearchCheckpointsResponse) -> Page {
    let mut text = Page::of(format!("{} checkpoint(s) found.", found.hits.len()));
    for hit in &found.hits {
        let Some(checkpoint) = &hit.checkpoint else {
            continue;
        };
        text.line(checkpoint_line(checkpoint));
        text.line(format!(
            "  > {} (project {}, session_id={})",
            one_line(&hit.snippet, MAX_SNIPPET_CHARACTERS),
            name(&hit.project, MAX_PROJECT_CHARACTERS),
            checkpoint.session_id,
        ));
    }
    if found.incomplete {
        text.line(
            "The search took too long to look through older checkpoints; with a session_id it is shorter.",
        );
    }
    text
}

async fn search(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let Some(query) = call.arguments.text("query") else {
        let rule = "is required for view=search: words that must all occur".to_owned();
        return Err(
            ToolError::new(BAD_REQUEST, "there is nothing to search for")
                .with_fields(vec![("query".to_owned(), rule)])
                .next_step("call again with view=search and a query"),
        );
    };
    let request = SearchCheckpointsRequest {
        query: query.to_owned(),
        session_id: call.arguments.text_or_empty("session_id"),
        limit: limit(call),
        ..Default::default()
    };
    let found = call.gateway.services.search_checkpoints(request).await?;
    let text = found_text(&found);
    let structured = json!({
        "hits": found.hits.iter().map(json::hit).collect::<Vec<_>>(),
        "incomplete": found.incomplete,
    });
    let answer = ToolOutput::new(text, structured);
    let about = call.arguments.text("session_id").map(str::to_owned);
    Ok(ToolOutput {
        session_id: about.or(call.gateway.sessions.default_id()),
        ..answer
    })
}
