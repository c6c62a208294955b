//! The three prompts: `resume` tells what can be brought back, `supervise` and `work` how shared work goes.
//!
//! They state facts and the means at hand. What the services know is asked when the prompt is; a service that is
//! away becomes a sentence, not an error.

use rmcp::model::{
    ErrorData, GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role,
};
use serde_json::Value;
use shim_proto::checkpoint::v1::{DetectRecoveryRequest, GetCheckpointRequest};
use shim_proto::coordination::v1::ListWorkersRequest;
use uuid::Uuid;

use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::recovery;
use crate::roster;
use crate::wording;

const RESUME: &str = "resume";
const SUPERVISE: &str = "supervise";
const WORK: &str = "work";

const MAX_CANDIDATES: i32 = 10;
const MAX_WORKERS: i32 = 20;
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
                    "A session to resume; left out, all interrupted ones are listed.",
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
            Some("Give the parts of a job to other Claude windows and gather what they answer."),
            Some(vec![argument("goal", "The job to split.")]),
        )
        .with_title("Supervise shared work"),
        Prompt::new(
            WORK,
            Some("Be there for other Claude windows as a worker."),
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
    let argument = |name: &str| {
        given
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.trim().is_empty())
    };
    let text = match name {
        RESUME => match argument("session_id") {
            Some(session_id) => resume_one(gateway, session_id).await,
            None => resume_any(gateway, argument("project")).await,
        },
        SUPERVISE => supervise(gateway, argument("goal")).await,
        _ => work(gateway, argument("capabilities")),
    };
    let result = GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]);
    Ok(result.with_description(known.description.unwrap_or_default()))
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
            Some(text)
                if name == "session_id"
                    && !text.trim().is_empty()
                    && Uuid::try_parse(text).is_err() =>
            {
                Some("must be the id of a session".to_owned())
            }
            Some(_) => None,
        };
        if let Some(fault) = fault {
            let name: String = name.chars().take(100).collect();
            return Err(ErrorData::invalid_params(format!("{name}: {fault}"), None));
        }
    }
    Ok(())
}

async fn resume_any(gateway: &Gateway, project: Option<&str>) -> String {
    let project = project
        .unwrap_or(&gateway.surroundings.project.name)
        .to_owned();
    let request = DetectRecoveryRequest {
        project: project.clone(),
        limit: MAX_CANDIDATES,
        only_project: false,
    };
    match gateway.services.detect_recovery(request).await {
        Ok(found) if found.candidates.is_empty() => format!(
            "I want to go on with earlier work. SHIM was asked just now: {}\n\
             shim_session_status with view=sessions shows every session, ended ones too, and view=search finds \
             checkpoints by words. Tell me what you find before you begin anything.",
            recovery::list(&found.candidates, &project),
        ),
        Ok(found) => format!(
            "I want to go on with interrupted work. SHIM was asked just now:\n\n{}\n\n\
             shim_check_recovery with action=restore and the session_id brings one back; its answer says what was \
             decided, what is finished, what is open, and which files changed since. If it is plain which one I mean, \
             restore it, tell me in a few sentences where it stands, and go on with its first open step; otherwise \
             ask me which.",
            recovery::list(&found.candidates, &project),
        ),
        Err(status) => unavailable(status),
    }
}

async fn resume_one(gateway: &Gateway, session_id: &str) -> String {
    let request = GetCheckpointRequest {
        session_id: session_id.to_owned(),
        ..Default::default()
    };
    match gateway.services.get_checkpoint(request).await {
        Ok(found) => {
            let checkpoint = found.checkpoint.unwrap_or_default();
            let open: Vec<_> = found
                .state
                .unwrap_or_default()
                .next_steps
                .into_iter()
                .take(5)
                .collect();
            let open = if open.is_empty() {
                "none recorded".to_owned()
            } else {
                open.join("; ")
            };
            format!(
                "I want to go on with session {session_id}. Its newest checkpoint is number {} of {}: \"{}\", {} done; \
                 open steps: {open}.\n\n\
                 shim_check_recovery with action=restore and session_id={session_id} brings it back; its answer says \
                 what was decided and which files changed since. Restore it, tell me in a few sentences where it \
                 stands, and go on with its first open step.",
                checkpoint.number,
                wording::ago(checkpoint.created_at.as_ref()),
                wording::short(&checkpoint.current_task, 200),
                wording::percent(checkpoint.progress),
            )
        }
        Err(status) => unavailable(status),
    }
}

fn unavailable(status: tonic::Status) -> String {
    format!(
        "I want to go on with earlier work, but SHIM could not be asked: {}\n\
         Tell me this, and what you can see of the work without it.",
        Problem::from(status).text(),
    )
}

const NOT_SERVED: &str = "This stack does not serve tasks: submit, wait, results and the like of shim_coordinate_task, \
    and claim and its reports of shim_worker_task, answer TASKS_NOT_SERVED until it does.";

const NOT_CONNECTED: &str = "No coordination service is connected here (endpoints.coordination is not set), so there \
    are no workers, messages or tasks; what this window does alone is saved and recovered all the same.";

async fn supervise(gateway: &Gateway, goal: Option<&str>) -> String {
    let goal = goal.map_or_else(
        || "the job we are on".to_owned(),
        |goal| format!("this job: {goal}"),
    );
    if !gateway.services.coordinates() {
        return format!(
            "Supervise {goal}.\n\n{NOT_CONNECTED} Show me the parts of the job, then do them here one after the \
             other, with a shim_auto_checkpoint after each."
        );
    }
    format!(
        "Supervise {goal}.\n\n{}\n\n\
         How it goes: other Claude windows become workers with shim_worker_task action=register. \
         shim_coordinate_task action=message gives a part to one of them: to_worker or to_session for one, \
         to_capability for all that can do something. A message is kept until it is read, which is at the reader's \
         next tool call, and answers come in the notices of the calls made here; their \"from\" is where to_session \
         reaches the sender. Good parts can be done without each other, name their files, and say when they are done \
         and whom to tell.\n\n\
         {NOT_SERVED}\n\n\
         Show me the parts and who gets which before you send them. What nobody is there for is done here, one part \
         after the other, with a shim_auto_checkpoint after each.",
        workers(gateway).await,
    )
}

/// Who is there now, or why that is not known.
async fn workers(gateway: &Gateway) -> String {
    let request = ListWorkersRequest {
        page_size: MAX_WORKERS,
        ..ListWorkersRequest::default()
    };
    match gateway.services.list_workers(request).await {
        Ok(page) => format!(
            "SHIM was asked just now. {}",
            roster::list(&page.workers, !page.next_page_token.is_empty())
        ),
        Err(status) => format!(
            "SHIM could not be asked who can work: {}",
            Problem::from(status).text()
        ),
    }
}

fn work(gateway: &Gateway, capabilities: Option<&str>) -> String {
    let capabilities = capabilities.map_or_else(
        || "the capabilities you find in this project".to_owned(),
        |list| format!("these capabilities: {list}"),
    );
    if !gateway.services.coordinates() {
        return format!(
            "Be a worker for other Claude windows, with {capabilities}.\n\n{NOT_CONNECTED} Tell me so."
        );
    }
    format!(
        "Be a worker for other Claude windows, with {capabilities}.\n\n\
         How it goes: shim_worker_task with action=register makes this session a worker that others see and send \
         messages to. Messages come in the notices of the calls made here, each with its sender in \"from\"; \
         shim_session_status is a call that only looks. shim_coordinate_task action=message with to_session answers \
         the sender.\n\n\
         {NOT_SERVED}\n\n\
         Register, tell me under which name, and do what the messages ask only as far as it fits what I want of you; \
         ask me where it does not. Save a shim_auto_checkpoint after each finished part, and tell the sender that it \
         is done."
    )
}
