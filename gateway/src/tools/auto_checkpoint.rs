//! `shim_auto_checkpoint`: saves what a session knows, with the evidence of its files.

use serde_json::json;
use shim_proto::checkpoint::v1::{
    Checkpoint, CheckpointState, CheckpointTrigger, FilePresence, FileState, SaveCheckpointRequest,
};
use shim_proto::limits::MAX_LIST;
use shim_proto::limits::checkpoint::{MAX_ITEM_BYTES, MAX_SUMMARY_BYTES};
use shim_render::figures::percent;
use shim_render::words;
use tonic::Status;

use crate::arguments::{Arguments, ParameterType, optional, required};
use crate::config::Project;
use crate::evidence;
use crate::render::json;
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
        Decisions and completed steps of earlier checkpoints are kept, so only new ones need to be sent; task, \
        progress, next steps, blockers and summary replace what was there. The gateway adds size, time and hash of \
        the active files and the git commit by itself; the content of files is not stored.\n\
        Answers with the checkpoint's number and the session_id; other calls can pass that session_id to speak of \
        the same session, which matters when several conversations share one client.",
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
            "Files in use, absolute or relative to the project, without \"..\"; at most 1,000. They are compared on recovery.",
        ),
        optional(
            "next_steps",
            ITEM,
            "What is still to do, in order; at most 1,000 of 8,192 bytes.",
        ),
        optional(
            "completed_steps",
            ITEM,
            "Steps finished since the last checkpoint; at most 1,000 of 8,192 bytes.",
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
            ParameterType::IdOrNew,
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
            "The checkpoint: checkpoint_id, number, trigger, created_at, progress.",
        ),
        output(
            "active_files",
            "array",
            "What was seen of each active file: path, presence, size_bytes, blake3.",
        ),
        output(
            "task_id",
            "string",
            "The shared task this session has: the checkpoint was kept with it.",
        ),
        output(
            "git",
            "object",
            "The commit and branch the project stands on: head, branch.",
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
        evidence::inspect_files(project.folder.clone(), arguments.texts("active_files")),
        evidence::inspect_git(project.folder.as_deref()),
        call.gateway.memory.read(),
    );
    let owned = owned?;
    let state = CheckpointState {
        active_files: with_whole_paths(files, project, owned.project.as_deref()),
        git,
        memory,
        ..state(arguments)
    };
    let checkpoint = save(call, &owned, state.clone()).await?;
    let task_id = report_checkpoint(call, &checkpoint).await;
    Ok(output_of(&checkpoint, &state, task_id).with_session(owned.session_id))
}

async fn save(
    call: &ToolCall,
    owned: &OwnedSession,
    state: CheckpointState,
) -> Result<Checkpoint, ToolError> {
    let request = SaveCheckpointRequest {
        request_id: request_id(),
        session_id: owned.session_id.clone(),
        epoch: owned.epoch,
        state: Some(state),
        trigger: trigger(call.arguments.text("trigger")).into(),
        carry_over: true,
    };
    let saved = call.gateway.services.save_checkpoint(request).await;
    let saved = saved.map_err(|status| call.gateway.sessions.record_refusal(owned, status))?;
    let checkpoint = saved.checkpoint;
    Ok(checkpoint.ok_or_else(|| Status::internal("the service saved no checkpoint"))?)
}

fn output_of(
    checkpoint: &Checkpoint,
    state: &CheckpointState,
    task_id: Option<String>,
) -> ToolOutput {
    let files = &state.active_files;
    let mut structured = json!({
        "checkpoint": json::checkpoint(checkpoint),
        "active_files": files.iter().map(json::file).collect::<Vec<_>>(),
    });
    if let Some(git) = &state.git {
        structured["git"] = json!({"head": git.head, "branch": git.branch});
    }
    let mut text = render(checkpoint, files, state.next_steps.len());
    if let Some(task_id) = task_id {
        text.push_str(&format!(
            "\nKept with task {task_id}: another worker would go on from here."
        ));
        structured["task_id"] = task_id.into();
    }
    ToolOutput::new(text, structured)
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

fn render(checkpoint: &Checkpoint, files: &[FileState], open_steps: usize) -> String {
    let mut text = format!(
        "Checkpoint {} saved ({}, {} done, {open_steps} next step(s)).\ncheckpoint_id: {}",
        checkpoint.number,
        words::checkpoint_trigger(checkpoint.trigger()),
        percent(checkpoint.progress),
        checkpoint.id,
    );
    if !files.is_empty() {
        let hashed = files.iter().filter(|file| !file.blake3.is_empty()).count();
        text.push_str(&format!(
            "\nFiles: {} recorded, {hashed} with a hash.",
            files.len()
        ));
    }
    for file in files
        .iter()
        .filter(|file| file.presence() != FilePresence::Present)
        .take(10)
    {
        text.push_str(&format!(
            "\n- {} is {}",
            file.path,
            words::file_presence(file.presence()).replace('_', " ")
        ));
    }
    text
}
