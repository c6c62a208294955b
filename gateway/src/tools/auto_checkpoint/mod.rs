//! `shim_auto_checkpoint`: saves what a session knows of its task, with the evidence of its files.

mod answer;

use std::path::PathBuf;

use shim_proto::checkpoint::v1::{
    Checkpoint, CheckpointState, CheckpointTrigger, FileState, SaveCheckpointRequest,
    SaveCheckpointResponse, StateField,
};
use shim_proto::limits::MAX_LIST;
use shim_proto::limits::checkpoint::{MAX_ITEM_BYTES, MAX_SUMMARY_BYTES, MAX_TASK_KEY_BYTES};
use shim_proto::reasons::{SESSION_NOT_FOUND, STALE_OWNER};
use tonic::Status;

use crate::arguments::{Arguments, NEW_SESSION, Named, ParameterType, optional, required};
use crate::claims;
use crate::config::Project;
use crate::evidence;
use crate::render::phrases;
use crate::services::request_id;
use crate::sessions::OwnedSession;
use crate::tool_error::ToolError;
use crate::tools::call::{ToolCall, ToolOutput};
use crate::tools::spec::{Hints, ToolSpec, output};

const ITEM: ParameterType = ParameterType::Texts {
    max_items: MAX_LIST,
    max_bytes: MAX_ITEM_BYTES,
};

pub(super) const SPEC: ToolSpec = ToolSpec {
    name: "shim_auto_checkpoint",
    title: "Save a checkpoint",
    description: "Saves where this conversation stands, so that it can be brought back after a crash, a full context \
        window or a closed window. When it answers, the checkpoint is on the disk.\n\
        Useful after each finished step or decision, before risky or long operations, before the context is \
        compacted, and every ten minutes or so of longer work.\n\
        Decisions and completed steps of the task's earlier checkpoints are kept, so only new ones need to be sent. \
        next_steps is the whole plan: a step it leaves out is dropped, a finished step it names is open again. What \
        is left out of the call stays as it was; an empty list clears it. The gateway adds size, time and hash of the \
        active files and the state of git by itself; the content of files is not stored.\n\
        A session can hold several tasks, as when subagents save to it: a save of another task (another current_task, \
        or another task_key) carries nothing over, and the task before stays open beside it until it is saved as \
        finished or named in closed_tasks.\n\
        Answers with how much was kept, with what it opened again or dropped, and with the session_id; other calls can \
        pass that session_id to speak of the same session, which matters when several conversations share one client.",
    parameters: &[
        required(
            "current_task",
            ParameterType::Text {
                max_bytes: MAX_ITEM_BYTES,
            },
            "What is being worked on, in one or two sentences; at most 8,192 bytes.",
        ),
        required(
            "progress",
            ParameterType::Number { min: 0.0, max: 1.0 },
            "How much of the task is done, from 0 (nothing) to 1 (all).",
        ),
        optional(
            "decisions",
            ITEM,
            "Decisions taken since the last checkpoint, with their reasons; at most 1,000 of 8,192 bytes.",
        ),
        optional(
            "active_files",
            ParameterType::Paths {
                max_items: MAX_LIST,
            },
            "Files in use, absolute or relative to the project, without \"..\"; at most 1,000. They are compared on recovery; left out, those given last stay.",
        ),
        optional(
            "next_steps",
            ITEM,
            "What is still to do, in order, all of it; left out, the plan stays but for the steps completed; at most 1,000 of 8,192 bytes.",
        ),
        optional(
            "completed_steps",
            ITEM,
            "Steps finished since the last checkpoint; at most 1,000 of 8,192 bytes.",
        ),
        optional(
            "dropped_steps",
            ITEM,
            "Steps that are not to be done any more, in their words; at most 1,000 of 8,192 bytes.",
        ),
        optional(
            "retracted_decisions",
            ITEM,
            "Decisions that no longer hold, each in its whole text, in any capitals; at most 1,000 of 8,192 bytes.",
        ),
        optional(
            "blockers",
            ITEM,
            "What stands in the way now; at most 1,000 of 8,192 bytes.",
        ),
        optional(
            "summary",
            ParameterType::Text {
                max_bytes: MAX_SUMMARY_BYTES,
            },
            "The conversation in short, with what a successor must know; at most 262,144 bytes.",
        ),
        optional(
            "task_key",
            ParameterType::Text {
                max_bytes: MAX_TASK_KEY_BYTES,
            },
            "A name of one's own for the task, under which it is known however current_task is worded: one that no unfinished task has begins another task. Or the task_key of an earlier answer; left out, the text decides. At most 200 bytes.",
        ),
        optional(
            "closed_tasks",
            ParameterType::Texts {
                max_items: MAX_LIST,
                max_bytes: MAX_TASK_KEY_BYTES,
            },
            "Other tasks of the session, by task_key, that are finished or given up.",
        ),
        optional(
            "trigger",
            ParameterType::Choice(&[
                "manual",
                "periodic",
                "milestone",
                "pre_compact",
                "session_end",
            ]),
            "Why now; \"manual\" if left out.",
        ),
        optional(
            "session_id",
            ParameterType::id_or(Named::Session, NEW_SESSION),
            "The session to save to, from an earlier answer; \"new\" starts another one; left out, this process's own session is used.",
        ),
    ],
    hints: Hints {
        read_only: false,
        destructive: false,
        idempotent: false,
        open_world: false,
    },
    always_load: true,
    outputs: &[
        output(
            "checkpoint",
            "object",
            "The checkpoint: checkpoint_id, number.",
        ),
        output(
            "kept",
            "object",
            "How much the checkpoint holds of what a successor must know: decisions, open_steps.",
        ),
        output(
            "task",
            "object",
            "Its task, unless it goes on alone as before: task_key, relation (first, same, reworded, resumed, new).",
        ),
        output(
            "carried_over",
            "object",
            "How many items come from another checkpoint of the task, and from which: from_checkpoint, and the counts.",
        ),
        output(
            "changed",
            "object",
            "Steps and decisions that this save changed: reopened_steps, dropped_steps, retracted_decisions, unknown_decisions, similar_decisions, unknown_steps, unknown_tasks, finished_and_next, left_open_steps.",
        ),
        output(
            "left_task",
            "object",
            "The task that the session was at before, if this save is of another one: task_key, current_task, progress, open_steps, checkpoint, is_open.",
        ),
        output(
            "open_tasks",
            "objects",
            "The session's other unfinished tasks: task_key, current_task, progress, open_steps, checkpoint.",
        ),
        output(
            "more_open_tasks",
            "integer",
            "How many of them are not listed.",
        ),
        output(
            "unlisted_tasks",
            "objects",
            "Tasks that are not listed any more, since there are too many.",
        ),
        output(
            "begin_anew",
            "string",
            "How to begin without what the session holds.",
        ),
        output(
            "active_files",
            "objects",
            "Active files that are not there as they should be: path, presence.",
        ),
        output(
            "more_active_files",
            "integer",
            "How many such files are not listed.",
        ),
        output(
            "task_id",
            "string",
            "The shared task this session has: the checkpoint was kept with it.",
        ),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let arguments = &call.arguments;
    let client_context = &call.gateway.client_context;
    let project = &client_context.project;
    let acquire =
        call.gateway
            .sessions
            .acquire(arguments.text("session_id"), &project.name, &call.client);
    let (owned, files, git, memory) = tokio::join!(
        acquire,
        inspect_active_files(project.folder.clone(), arguments.texts("active_files")),
        evidence::inspect_git(project.folder.as_deref()),
        call.gateway.memory.read(),
    );
    let owned = owned?;
    // What a worker saves belongs to its task alone, whatever else the session did.
    let claimed = call.gateway.claims.current_task(&owned.session_id);
    let task_key = match &claimed {
        Some(claimed) => claims::task_key(&claimed.task_id),
        None => arguments.text_or_empty("task_key"),
    };
    let state = CheckpointState {
        active_files: with_whole_paths(files, project, owned.project.as_deref()),
        git,
        memory,
        task_key,
        ..state(arguments)
    };
    let saved = save_or_take_back(call, &owned, &state).await?;
    let checkpoint = saved.checkpoint.clone();
    let checkpoint =
        checkpoint.ok_or_else(|| Status::internal("the service saved no checkpoint"))?;
    let task_id = report_checkpoint(call, &checkpoint).await;
    let answer = answer::of(&checkpoint, &state, saved.report.as_ref(), task_id);
    Ok(answer.with_session(checkpoint.session_id))
}

/// Each file once, under its own name.
async fn inspect_active_files(folder: Option<PathBuf>, written: Vec<String>) -> Vec<FileState> {
    let names = evidence::own_names(folder.clone(), written).await;
    evidence::inspect_files(folder, names).await
}

/// Another gateway of this client may have taken the session a moment ago; then it is taken back. A session that the database
/// has no more, since it went back to a backup, goes on in a new one.
async fn save_or_take_back(
    call: &ToolCall,
    owned: &OwnedSession,
    state: &CheckpointState,
) -> Result<SaveCheckpointResponse, ToolError> {
    match save(call, owned, state.clone()).await {
        Err(error) if matches!(&*error.reason, STALE_OWNER | SESSION_NOT_FOUND) => {
            let project = &call.gateway.client_context.project.name;
            let sessions = &call.gateway.sessions;
            let owned = sessions.acquire(Some(&owned.session_id), project, &call.client);
            save(call, &owned.await?, state.clone()).await
        }
        saved => saved,
    }
}

async fn save(
    call: &ToolCall,
    owned: &OwnedSession,
    state: CheckpointState,
) -> Result<SaveCheckpointResponse, ToolError> {
    let (arguments, claims) = (&call.arguments, &call.gateway.claims);
    // What this session did as a worker is over once its claim is, whatever its last checkpoint says.
    let ended = claims.ended_tasks(&owned.session_id);
    let mut closed_tasks = arguments.texts("closed_tasks");
    closed_tasks.extend(ended.iter().map(|task_id| claims::task_key(task_id)));
    let request = SaveCheckpointRequest {
        request_id: request_id(),
        session_id: owned.session_id.clone(),
        epoch: owned.epoch,
        state: Some(state),
        trigger: trigger(arguments.text("trigger")).into(),
        carry_over: true,
        cleared: cleared(arguments),
        retracted_decisions: arguments.texts("retracted_decisions"),
        dropped_steps: arguments.texts("dropped_steps"),
        closed_tasks,
    };
    let sessions = &call.gateway.sessions;
    let known = sessions.newest_checkpoint(&owned.session_id);
    let saved = call.gateway.services.save_checkpoint(request).await;
    let mut saved = saved.map_err(|status| sessions.record_refusal(owned, status))?;
    if let Some(checkpoint) = &saved.checkpoint {
        sessions.note_saved(&owned.session_id, known, checkpoint.number);
    }
    claims.forget_ended(&owned.session_id, &ended);
    if let Some(report) = &mut saved.report {
        // What the gateway closes by itself may never have been saved; the caller named none of it.
        let own = |key: &String| {
            claims::task_id_of(key).is_some_and(|id| ended.iter().any(|ended| ended == id))
        };
        report.unknown_tasks.retain(|key| !own(key));
    }
    Ok(saved)
}

/// The fields that the call gives as empty lists; what it leaves out stays as it was.
fn cleared(arguments: &Arguments) -> Vec<i32> {
    [
        ("active_files", StateField::ActiveFiles),
        ("next_steps", StateField::NextSteps),
        ("blockers", StateField::Blockers),
    ]
    .into_iter()
    .filter(|(name, _)| arguments.has(name) && arguments.texts(name).is_empty())
    .map(|(_, field)| field.into())
    .collect()
}

/// Reports the checkpoint to the session's task, if it has one. Returns the task, unless the session lost it: then a
/// notice says so.
async fn report_checkpoint(call: &ToolCall, checkpoint: &Checkpoint) -> Option<String> {
    let current = call.gateway.claims.record_checkpoint(checkpoint)?;
    match call
        .gateway
        .claims
        .report_checkpoint(&checkpoint.session_id)
        .await
    {
        Ok(()) => Some(current.task_id),
        Err(status) => {
            let text = phrases::task_lost(&current.task_id, &status);
            let sessions = &call.gateway.sessions;
            sessions.notify(&checkpoint.session_id, "task_lost", text);
            None
        }
    }
}

/// The state as the call gives it.
fn state(arguments: &Arguments) -> CheckpointState {
    CheckpointState {
        current_task: arguments.text_or_empty("current_task"),
        progress: arguments.number("progress").unwrap_or_default(),
        decisions: arguments.texts("decisions"),
        next_steps: arguments.texts("next_steps"),
        completed_steps: arguments.texts("completed_steps"),
        blockers: arguments.texts("blockers"),
        summary: arguments.text_or_empty("summary"),
        ..CheckpointState::default()
    }
}

/// Relative paths are relative to the session's project. A session of another project gets whole paths, or a later
/// recovery would look for the files in the wrong folder.
fn with_whole_paths(
    mut files: Vec<FileState>,
    here: &Project,
    session: Option<&str>,
) -> Vec<FileState> {
    let is_here = session.is_some_and(|session| Project::named(session) == *here);
    if let Some(folder) = here.folder.as_ref().filter(|_| !is_here) {
        for file in &mut files {
            file.path = folder.join(&file.path).display().to_string();
        }
    }
    files
}

fn trigger(word: Option<&str>) -> CheckpointTrigger {
    match word {
        Some("periodic") => CheckpointTrigger::Periodic,
        Some("milestone") => CheckpointTrigger::Milestone,
        Some("pre_compact") => CheckpointTrigger::PreCompact,
        Some("session_end") => CheckpointTrigger::SessionEnd,
        _ => CheckpointTrigger::Manual,
    }
}
