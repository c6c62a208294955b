//! The three prompts: `resume` says what can be brought back, `supervise` and `work` say how shared work goes.
//!
//! They state facts and the means at hand. What the services know is asked when the prompt is; a service that is
//! away becomes a sentence, not an error.

use rmcp::model::{
    ErrorData, GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role,
};
use serde_json::Value;
use shim_proto::checkpoint::v1::{GetCheckpointRequest, GetCheckpointResponse, GetSessionRequest};
use shim_proto::coordination::v1::ListWorkersRequest;
use shim_render::figures::percent;
use shim_render::page::Page;
use shim_render::session_tasks;
use shim_render::text::{self, one_line};
use shim_render::verification::open_steps;
use shim_runtime::workspace::identity;

use crate::arguments::Named;
use crate::gateway::Gateway;
use crate::recovery;
use crate::render::phrases;
use crate::render::workers;
use crate::short_ids;
use crate::tool_error::ToolError;

const RESUME: &str = "resume";
const SUPERVISE: &str = "supervise";
const WORK: &str = "work";

const MAX_WORKERS: i32 = 20;
/// Open steps that the prompt of one session names.
const MAX_STEPS: usize = 5;
const MAX_ARGUMENT_BYTES: usize = 4_096;

/// The prompts there are.
pub(crate) fn list() -> Vec<Prompt> {
    let argument = |name: &str, about: &str| {
        PromptArgument::new(name)
            .with_description(about)
            .with_required(false)
    };
    vec![
        Prompt::new(
            RESUME,
            Some("What was interrupted and how to bring it back."),
            Some(vec![
                argument(
                    "session_id",
                    "A session to resume, by its id or the last eight digits; left out, all interrupted ones are listed.",
                ),
                argument(
                    "project",
                    "The project whose sessions come first; left out, the present one.",
                ),
            ]),
        )
        .with_title("Resume interrupted work"),
        Prompt::new(
            SUPERVISE,
            Some("Split a job over other Claude windows, follow it and gather the results."),
            Some(vec![argument("goal", "The job to split.")]),
        )
        .with_title("Supervise shared work"),
        Prompt::new(
            WORK,
            Some("Take tasks of other Claude windows one by one, and report on them."),
            Some(vec![argument(
                "capabilities",
                "What this session can do, separated by commas.",
            )]),
        )
        .with_title("Work for other windows"),
    ]
}

/// Writes one prompt.
pub(crate) async fn get(
    gateway: &Gateway,
    name: &str,
    given: &JsonObject,
) -> Result<GetPromptResult, ErrorData> {
    let known = list().into_iter().find(|prompt| prompt.name == name);
    let Some(known) = known else {
        return Err(ErrorData::invalid_params(
            "unknown prompt; there are resume, supervise and work",
            None,
        ));
    };
    let names: Vec<_> = known
        .arguments
        .iter()
        .flatten()
        .map(|argument| argument.name.as_str())
        .collect();
    check(given, &names)?;
    let text = write(gateway, name, given).await?;
    let message = PromptMessage::new_text(Role::User, text.to_string());
    let result = GetPromptResult::new(vec![message]);
    Ok(result.with_description(known.description.unwrap_or_default()))
}

/// The text of a prompt that there is, whose arguments were checked.
async fn write(gateway: &Gateway, name: &str, given: &JsonObject) -> Result<Page, ErrorData> {
    let argument = |name: &str| {
        given
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.trim().is_empty())
    };
    Ok(match name {
        RESUME => match argument("session_id") {
            Some(session_id) => {
                let found = short_ids::in_words(gateway, Named::Session, session_id).await;
                let fault = |why| ErrorData::invalid_params(format!("session_id: {why}"), None);
                resume_one(gateway, &found.map_err(fault)?).await
            }
            None => resume_any(gateway, argument("project")).await,
        },
        SUPERVISE => supervise(gateway, argument("goal")).await,
        _ => work(gateway, argument("capabilities")),
    })
}

fn check(given: &JsonObject, names: &[&str]) -> Result<(), ErrorData> {
    for (name, value) in given {
        let fault = match value.as_str() {
            _ if !names.contains(&name.as_str()) => {
                Some(format!("is no argument; there are {}", names.join(", ")))
            }
            None => Some("must be text".to_owned()),
            Some(text) if text.len() > MAX_ARGUMENT_BYTES => {
                Some(format!("must be at most {MAX_ARGUMENT_BYTES} bytes"))
            }
            Some(_) => None,
        };
        if let Some(fault) = fault {
            let name = text::name(name, 100);
            return Err(ErrorData::invalid_params(format!("{name}: {fault}"), None));
        }
    }
    Ok(())
}

async fn resume_any(gateway: &Gateway, project: Option<&str>) -> Page {
    let present = || gateway.client_context.project.name.clone();
    let project = project.map_or_else(present, identity);
    let found = match recovery::find(&gateway.services, &project, false).await {
        Ok(found) => found,
        Err(status) => return unavailable(status),
    };
    if found.is_empty() {
        let mut text = Page::of("I want to go on with earlier work. SHIM was asked just now:");
        text.append(&found.text(&project));
        text.line(
            "shim_session_status with view=sessions shows every session, ended ones too, and view=search finds \
             checkpoints by words. Tell me what you find before you begin anything.",
        );
        return text;
    }
    let mut text = Page::of("I want to go on with interrupted work. SHIM was asked just now:");
    text.gap();
    text.append(&found.text(&project));
    text.gap();
    text.line(
        "shim_check_recovery with action=restore and the session_id brings one back; its answer says what was \
         decided, what is finished, what is open, and which files changed since. If it is plain which one I mean, \
         restore it, tell me in a few sentences where it stands, and go on with its first open step; otherwise \
         ask me which.",
    );
    text
}

async fn resume_one(gateway: &Gateway, session_id: &str) -> Page {
    let found = match newest_work(gateway, session_id).await {
        Ok(found) => found,
        Err(status) => return unavailable(status),
    };
    let checkpoint = found.checkpoint.unwrap_or_default();
    let state = found.state.unwrap_or_default();
    let open = open_steps(&state);
    let shown: Vec<_> = open
        .iter()
        .take(MAX_STEPS)
        .map(|step| one_line(step, 200))
        .collect();
    let more = match open.len().saturating_sub(shown.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let open = match shown.as_slice() {
        [] => "none recorded".to_owned(),
        shown => shown.join("; "),
    };
    let mut text = Page::of(format_args!(
        "I want to go on with session {session_id}. The newest checkpoint of its open work is number {} of {}: \"{}\", {} done; \
         open steps: {open}{more}.",
        checkpoint.number,
        phrases::ago(checkpoint.created_at.as_ref()),
        one_line(&checkpoint.current_task, 200),
        percent(checkpoint.progress),
    ));
    text.gap();
    text.line(format_args!(
        "shim_check_recovery with action=restore and session_id={session_id} brings it back; its answer says \
         what was decided and which files changed since. Restore it, tell me in a few sentences where it \
         stands, and go on with its first open step."
    ));
    text
}

/// The newest checkpoint of the task that a restore goes on with, or of the session.
async fn newest_work(
    gateway: &Gateway,
    session_id: &str,
) -> Result<GetCheckpointResponse, tonic::Status> {
    let session_id = session_id.to_owned();
    let asked = GetSessionRequest {
        session_id: session_id.clone(),
    };
    let session = gateway.services.get_session(asked).await?.session;
    let task = session.as_ref().and_then(session_tasks::to_go_on);
    let request = GetCheckpointRequest {
        checkpoint_id: task.map(|task| task.checkpoint_id).unwrap_or_default(),
        session_id,
        number: 0,
    };
    gateway.services.get_checkpoint(request).await
}

fn unavailable(status: tonic::Status) -> Page {
    let mut text = Page::of("I want to go on with earlier work, but SHIM could not be asked:");
    text.append(&ToolError::from(status).text());
    text.line("Tell me this, and what you can see of the work without it.");
    text
}

const NOT_CONNECTED: &str = "No coordination service is connected here (endpoints.coordination is not set), so there \
    are no workers, messages or tasks; what this window does alone is saved and recovered all the same.";

async fn supervise(gateway: &Gateway, goal: Option<&str>) -> Page {
    let mut text = Page::default();
    match goal {
        Some(goal) => text.field("Supervise this job", goal),
        None => text.line("Supervise the job we are on."),
    }
    text.gap();
    if !gateway.services.has_coordination() {
        text.line(format_args!(
            "{NOT_CONNECTED} Show me the parts of the job, then do them here one after the other, with a \
             shim_auto_checkpoint after each."
        ));
        return text;
    }
    text.append(&workers(gateway).await);
    text.gap();
    write_lines(&mut text, SUPERVISING);
    text
}

/// Paragraphs of ours, line by line.
fn write_lines(text: &mut Page, lines: &str) {
    for line in lines.lines() {
        match line {
            "" => text.gap(),
            line => text.line(line),
        }
    }
}

const SUPERVISING: &str = "How it goes: shim_coordinate_task action=submit takes the goal and the parts in subtasks, each with an id, \
         a goal that can be understood without this conversation, the ids it comes after, and the files it changes; \
         workers have these files for themselves while they run, so parts that change the same files come one after \
         the other by themselves. Requirements name what a worker must be able to do. Left without subtasks, a large \
         job is split by its files or steps.\n\
         Other Claude windows take the parts with shim_worker_task action=claim (the prompt \"work\" sets one up); a \
         part whose worker dies goes to another one with the last checkpoint. action=wait with the task_id and the \
         cursor of the answer before tells what happens, up to 25 s at a time; action=status shows all parts. What \
         failed for good can be taken up with action=retry, an approval is given with action=approve when I have \
         said so, and action=message reaches one worker (to_worker) or all that can do something (to_capability). \
         action=results gathers the merged result when the job has ended.\n\n\
         Show me the parts before you submit them. Then wait, tell me in a sentence when something important \
         happens, answer what workers ask in their messages, and when the job has ended check the results against \
         the goal and tell me what came of it. If no worker is there, tell me: I can open another window with the \
         prompt \"work\", or we do the parts here, one after the other.";

/// The living workers, or why they are not known.
async fn workers(gateway: &Gateway) -> Page {
    let request = ListWorkersRequest {
        page_size: MAX_WORKERS,
        ..ListWorkersRequest::default()
    };
    match gateway.services.list_workers(request).await {
        Ok(page) => {
            let mut text = Page::of("SHIM was asked just now.");
            let has_more = !page.next_page_token.is_empty();
            text.append(&workers::list(&page.workers, &[], has_more));
            text
        }
        Err(status) => {
            let mut text = Page::of("SHIM could not be asked who can work:");
            text.append(&ToolError::from(status).text());
            text
        }
    }
}

fn work(gateway: &Gateway, capabilities: Option<&str>) -> Page {
    let capabilities = capabilities.map_or_else(
        || "the capabilities you find in this project".to_owned(),
        |list| format!("these capabilities: {}", one_line(list, MAX_ARGUMENT_BYTES)),
    );
    let mut text = Page::of(format_args!(
        "Be a worker for other Claude windows, with {capabilities}."
    ));
    text.gap();
    if gateway.services.has_coordination() {
        write_lines(&mut text, WORKING);
    } else {
        text.line(format_args!("{NOT_CONNECTED} Tell me so."));
    }
    text
}

const WORKING: &str = "How it goes: shim_worker_task action=claim with capabilities makes this session a worker and waits up to \
         20 s for a task; it answers with a goal, what is known about it, and the files it has for itself. If an \
         earlier worker had it, the answer says what was done, what was decided and what is open. When none came, \
         claiming again goes on waiting.\n\
         While at a task: shim_auto_checkpoint after each finished step is kept with the task, so that another \
         worker could go on from there; action=progress tells how far it is. action=complete with result ends it: \
         the result is what the supervisor reads, so it says what was done, where, and how it was checked. \
         action=fail with error says why it cannot be done; action=release gives it back. A refusal with STALE_LEASE, \
         or a notice that the task is not this session's any more, means that somebody else has it or it was called \
         off: the work on it stops.\n\
         Messages come in the notices of the calls made here, each with its sender in \"from\"; \
         shim_coordinate_task action=message with to_session answers.\n\n\
         Claim a task, tell me in a sentence what it is, do it within its files and as far as it fits what I want of \
         you, and ask me where it does not. Complete it, then claim the next one, until I say stop or nothing came \
         for several claims in a row.";
