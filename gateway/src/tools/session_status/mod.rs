//! `shim_session_status`: looks at sessions, their history and what they hold, and changes nothing.

mod leases;
mod paging;
mod tasks;
mod workers;

use serde_json::{Value, json};
use shim_proto::checkpoint::v1::{
    AssessRiskRequest, AssessRiskResponse, Checkpoint, GetSessionRequest, ListCheckpointsRequest,
    ListCheckpointsResponse, ListSessionsRequest, SearchCheckpointsRequest,
    SearchCheckpointsResponse, Session, SessionStatus,
};
use shim_proto::reasons::BAD_REQUEST;
use shim_render::figures::percent;
use shim_render::page::Page;
use shim_render::text::{entry, name, one_line};
use shim_render::words;
use tonic::Status;

use crate::arguments::{Named, ParameterType, optional};
use crate::render::brief::{self, Facts};
use crate::render::phrases;
use crate::tool_error::ToolError;
use crate::tools::call::{ToolCall, ToolOutput};
use crate::tools::spec::{Hints, ToolSpec, output};
use paging::{limit, limit_or};

const MAX_LIMIT: u64 = 50;
/// Checkpoints of a session, if the call names no limit.
const FEW_CHECKPOINTS: u64 = 3;
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
            "How many entries at most, 1 to 50; left out, 10, and 3 checkpoints in view session.",
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
        output(
            "session",
            "object",
            "view session: status, attached, current_task, progress, open_steps, checkpoints, last_saved, project, interruption.",
        ),
        output(
            "checkpoints",
            "objects",
            "view session: its newest checkpoints: number, saved, trigger, progress; SESSION:NUMBER names one.",
        ),
        output(
            "risk",
            "object",
            "view session: level, risk and the raised factors.",
        ),
        output(
            "damaged_numbers",
            "integers",
            "view session: checkpoints that are damaged.",
        ),
        output(
            "missing_numbers",
            "integers",
            "view session: checkpoints that are missing.",
        ),
        output(
            "files",
            "objects",
            "view session: its file leases: patterns, mode, purpose, time_left; left out if there are none or they cannot be known now.",
        ),
        output(
            "claim",
            "object",
            "view session: the shared task it has taken: task_id, lease.",
        ),
        output(
            "workers",
            "objects",
            "view workers: the living workers: worker_id, name, kind, capabilities, running, capacity, state, health.",
        ),
        output(
            "tasks",
            "objects",
            "view tasks: the jobs, newest first; view workers: what they are at.",
        ),
        output("task", "object", "view tasks with query: the task."),
        output(
            "subtasks",
            "objects",
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
            "objects",
            "view sessions: the sessions, most recently changed first.",
        ),
        output(
            "hits",
            "objects",
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
    let Some(session_id) = session_to_show(call).await? else {
        let step = "shim_auto_checkpoint starts one; view=sessions lists the sessions there are";
        let text = "This conversation has no session yet.";
        return Ok(ToolOutput::new(text, Facts::new(), step));
    };
    let (found, history, risk) = read_session(call, &session_id)
        .await
        .map_err(|status| ToolError::from(status).about(session_id.as_str()))?;
    let mut text = history_text(&found, &history);
    let assessed = risk.assessment.as_ref();
    let mut facts = Facts::new()
        .set("session", brief::session(&found))
        .set_some("risk", assessed.map(brief::assessment).map(Value::from))
        .set_some(
            "checkpoints",
            brief::checkpoints(&found, &history.checkpoints),
        )
        .set_some("has_more", !history.next_page_token.is_empty())
        .set_some("damaged_numbers", history.damaged_numbers)
        .set_some("missing_numbers", history.missing_numbers);
    if let Some(file_leases) = leases::of(call, &found).await {
        text.append(&leases::text(&file_leases));
        facts = leases::facts(facts, &file_leases);
    }
    if let Some(current) = call.gateway.claims.current_task(&session_id) {
        let lease = current.lease.to_string();
        let claim = json!({"task_id": current.task_id, "lease": lease});
        facts = facts.set("claim", claim);
        text.line(format!(
            "- has the task {} (lease {lease})",
            current.task_id
        ));
    }
    let step = next_step(&found);
    Ok(ToolOutput::new(text, facts, step).with_session(session_id))
}

/// The session named, this process's own, or the one that the conversation has although no call of this process needed it.
async fn session_to_show(call: &ToolCall) -> Result<Option<String>, ToolError> {
    if let Some(known) = call.context_session_id() {
        return Ok(Some(known));
    }
    let project = &call.gateway.client_context.project.name;
    let found = call
        .gateway
        .sessions
        .id_of_conversation(project, &call.client);
    Ok(found.await?)
}

fn next_step(session: &Session) -> &'static str {
    match session.status() {
        SessionStatus::Interrupted => {
            "shim_check_recovery action=restore with this session_id brings it back"
        }
        _ => "go on; a larger limit lists more, SESSION:NUMBER names a checkpoint",
    }
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
            page_size: limit_or(call, FEW_CHECKPOINTS),
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
    if !history.missing_numbers.is_empty() {
        text.line(format!(
            "Missing checkpoints: {:?}",
            history.missing_numbers
        ));
    }
    for checkpoint in &history.checkpoints {
        text.line(checkpoint_line(checkpoint));
    }
    text
}

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
        "- #{} {} ({}, {} done): {}",
        checkpoint.number,
        phrases::ago(checkpoint.created_at.as_ref()),
        words::checkpoint_trigger(checkpoint.trigger()),
        percent(checkpoint.progress),
        one_line(&checkpoint.current_task, MAX_TASK_CHARACTERS),
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
    let own = call.gateway.sessions.default_id();
    let listed: Vec<Value> = page
        .sessions
        .iter()
        .map(|session| brief::listed_session(session, own.as_deref()))
        .collect();
    let facts = Facts::new()
        .set("sessions", listed)
        .set_some("has_more", has_more);
    let step = "view=session with a session_id shows one of them";
    Ok(ToolOutput::new(text, facts, step).about(own))
}

/// A line for each hit, with its snippet.
fn found_text(found: &SearchCheckpointsResponse) -> Page {
    let mut text = Page::of(format!("{} checkpoint(s) found.", found.hits.len()));
    for hit in &found.hits {
        let Some(checkpoint) = &hit.checkpoint else {
            continue;
        };
        text.line(format!(
            "{} checkpoint_id={}",
            checkpoint_line(checkpoint),
            checkpoint.id
        ));
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
    let about = call.context_session_id();
    let hits: Vec<Value> = found
        .hits
        .iter()
        .map(|hit| brief::hit(hit, about.as_deref()))
        .collect();
    let step = match hits.len() {
        0 => "fewer or other words may find more",
        _ => "the resource shim://checkpoints/CHECKPOINT_ID has all that one of them holds",
    };
    let facts = Facts::new()
        .set("hits", hits)
        .set_some("incomplete", found.incomplete);
    Ok(ToolOutput::new(text, facts, step).about(about))
}
