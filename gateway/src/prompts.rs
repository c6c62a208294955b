//! The three prompts: `resume` tells what can be brought back, `supervise` and `work` how shared work goes.
//!
//! They state facts and the means at hand. What the services know is asked when the prompt is; a service that is
//! away becomes a sentence, not an error.

use rmcp::model::{
    ErrorData, GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role,
};
use serde_json::Value;
use shim_proto::checkpoint::v1::{DetectRecoveryRequest, GetCheckpointRequest};
use uuid::Uuid;

use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::recovery;
use crate::wording;

const RESUME: &str = "resume";
const SUPERVISE: &str = "supervise";
const WORK: &str = "work";

const MAX_CANDIDATES: i32 = 10;
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
            Some("Split a job over several sessions and gather the results."),
            Some(vec![argument("goal", "The job to split.")]),
        )
        .with_title("Supervise shared work"),
        Prompt::new(
            WORK,
            Some("Take part in shared work as a worker."),
            Some(vec![argument(
                "capabilities",
                "What this session can do, separated by commas.",
            )]),
        )
        .with_title("Work on shared tasks"),
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
        SUPERVISE => supervise(argument("goal")),
        _ => work(argument("capabilities")),
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

/// True of every build: the stack has no coordination service.
const NOT_CONNECTED: &str = "The coordination service is not part of this stack, so shim_coordinate_task and \
    shim_worker_task answer that it is missing until it is.";

fn supervise(goal: Option<&str>) -> String {
    let goal = goal.map_or_else(
        || "the job we are on".to_owned(),
        |goal| format!("this job: {goal}"),
    );
    format!(
        "Supervise {goal}.\n\n\
         How it goes: shim_coordinate_task with action=submit takes a goal and, if the parts are known, subtasks with \
         the ids each one waits for; other Claude windows and workers claim them. action=wait answers within 30 s with \
         news and a cursor; action=results gives the merged result; action=retry and action=cancel deal with what \
         failed or is not wanted any more; action=message reaches one session. Good parts can be done without each \
         other, name their files, and say when they are done.\n\n\
         {NOT_CONNECTED} If it does, do the parts here one after the other, with a shim_auto_checkpoint after each.\n\n\
         Show me the parts before you submit them."
    )
}

fn work(capabilities: Option<&str>) -> String {
    let capabilities = capabilities.map_or_else(
        || "the capabilities you find in this project".to_owned(),
        |list| format!("these capabilities: {list}"),
    );
    format!(
        "Be a worker for shared tasks, with {capabilities}.\n\n\
         How it goes: shim_worker_task with action=register makes this session a worker; action=claim waits for a task \
         and answers with the task, a lease and the last checkpoint of a worker that had it before; action=progress \
         reports now and then; action=complete hands in the result, action=fail says why it cannot be done, \
         action=release gives it back untouched. The lease goes with every report; a refused report means that the \
         task was given to somebody else and is not to be gone on with.\n\n\
         {NOT_CONNECTED} If it does, tell me so.\n\n\
         Save a shim_auto_checkpoint after each finished part, and claim the next task when one is done."
    )
}
