//! `shim_check_recovery`: finds sessions that died, brings one back, or takes one off the list.

mod restored;

use serde_json::json;
use shim_proto::checkpoint::v1::{
    CheckpointState, DismissRecoveryRequest, GetCheckpointRequest, GetSessionRequest,
    RestoreCheckpointRequest, Session,
};
use shim_proto::reasons::{BAD_REQUEST, NOTHING_TO_RESTORE};
use shim_render::text::{name, one_line};
use shim_render::{session_tasks, words};
use tonic::Status;

use crate::arguments::{Named, ParameterType, optional};
use crate::config::Project;
use crate::evidence;
use crate::recovery;
use crate::render::brief::Facts;
use crate::services::request_id;
use crate::tool_error::ToolError;
use crate::tools::call::{ToolCall, ToolOutput};
use crate::tools::spec::{Hints, ToolSpec, output};

const MAX_TASK_CHARACTERS: usize = 400;

pub(super) const SPEC: ToolSpec = ToolSpec {
    name: "shim_check_recovery",
    title: "Find and restore interrupted work",
    description: "Finds work that a crash, a full context window or a closed window interrupted, and brings it back.\n\
        action \"detect\" (the default) lists interrupted sessions with unfinished work, those of this project first, \
        then what was likelier lost, each with its cause, age, confidence, unfinished tasks and next step; it changes \
        nothing. Useful at the start of a conversation, and when the user speaks of work this conversation does not \
        know.\n\
        action \"restore\" makes this process the owner of a session and answers with a prompt to go on from: goal, \
        decisions, finished and open steps, other unfinished tasks of the session, and for each file whether it \
        changed since the checkpoint. The session is named by session_id or checkpoint_id; with neither, it is the best candidate of the project. A save by \
        the previous owner is refused from then on.\n\
        action \"dismiss\" takes a session off the list; nothing is deleted.",
    parameters: &[
        optional(
            "action",
            ParameterType::Choice(&["detect", "restore", "dismiss"]),
            "What to do; \"detect\" if left out.",
        ),
        optional(
            "project",
            ParameterType::Text { max_bytes: 4_096 },
            "The project, an absolute folder or a name as the list shows it; left out, the present one.",
        ),
        optional(
            "checkpoint_id",
            ParameterType::id(Named::Checkpoint),
            "For restore: the checkpoint to go back to, by its id or as SESSION:NUMBER; left out, the newest intact one of the session's unfinished work.",
        ),
        optional(
            "session_id",
            ParameterType::id(Named::Session),
            "For restore and dismiss: the session, as the list shows it.",
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
            "candidates",
            "objects",
            "detect: interrupted sessions, best first: session_id, same_project, project, current_task, progress, checkpoint, interruption, age_seconds, unsaved_seconds, confidence, next_steps, other_tasks.",
        ),
        output(
            "closed_windows",
            "object",
            "detect: further windows that were closed in good order with work left: count, tasks.",
        ),
        output(
            "more",
            "integer",
            "detect: how many candidates are not listed.",
        ),
        output(
            "aged_out",
            "integer",
            "detect: how many sessions are too old to be offered.",
        ),
        output(
            "went_on_elsewhere",
            "integer",
            "detect: how many sessions of workers are left out, since another worker has or finished their shared task.",
        ),
        output(
            "own_session",
            "object",
            "detect: this process's own session if it has checkpoints: checkpoints, current_task; another chat of the same client may have filled it.",
        ),
        output(
            "resume_prompt",
            "string",
            "restore: the state to go on from; its claims were checked.",
        ),
        output(
            "claims",
            "objects",
            "restore: each checked claim: kind, subject, verdict, detail; if they are many, what changed or is missing, or none.",
        ),
        output(
            "checkpoint",
            "object",
            "restore: the checkpoint restored: number.",
        ),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    match call.arguments.text("action") {
        Some("restore") => restore(call).await,
        Some("dismiss") => dismiss(call).await,
        _ => detect(call).await,
    }
}

fn project(call: &ToolCall) -> Project {
    call.arguments.text("project").map_or_else(
        || call.gateway.client_context.project.clone(),
        Project::named,
    )
}

async fn detect(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let project = project(call);
    let offers = recovery::find(&call.gateway.services, &project.name, false).await?;
    let mut text = offers.text(&project.name);
    let mut facts = offers.facts();
    if let Some(own) = own_session(call).await {
        let task = one_line(&own.current_task, MAX_TASK_CHARACTERS);
        text.line(format!(
            "This process's own session has {} checkpoint(s), the last one on: \"{task}\". If another chat of this client \
             wrote them, action=restore with its session_id shows where it stood.",
            own.head_number,
        ));
        let own = json!({"checkpoints": own.head_number, "current_task": task});
        facts = facts.set("own_session", own);
    }
    let answer = ToolOutput::new(text, facts, offers.next_step());
    Ok(answer.about(call.gateway.sessions.default_id()))
}

/// The default session of this process, if anything was saved to it.
async fn own_session(call: &ToolCall) -> Option<Session> {
    let session_id = call.gateway.sessions.default_id()?;
    let session = call
        .gateway
        .services
        .get_session(GetSessionRequest { session_id })
        .await
        .ok()?
        .session?;
    (session.head_number > 0).then_some(session)
}

async fn restore(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let (session_id, checkpoint_id) = chosen(call).await?;
    let services = &call.gateway.services;
    let about = |status| ToolError::from(status).about(session_id.as_str());
    let asked = GetSessionRequest {
        session_id: session_id.clone(),
    };
    let session = services.get_session(asked).await.map_err(about)?;
    let session = session
        .session
        .ok_or_else(|| Status::internal("the service answered without the session"))?;
    let state = state_to_restore(call, &session, &checkpoint_id)
        .await
        .map_err(about)?;
    let request = restore_request(call, &session, &state, checkpoint_id).await;
    let restored = services
        .restore_checkpoint(request)
        .await
        .map_err(|status| ToolError::from(status).about(session.id.as_str()))?;
    if let Some(session) = &restored.session {
        call.gateway
            .sessions
            .adopt_restored(session, &call.client)
            .await;
    }
    Ok(restored::answer(&restored, &session_id))
}

/// What the checkpoint holds that a restore brings back: the one named, or the newest of the task it goes on with. If that
/// cannot be read, the service falls back to the newest of the session, and so does this.
async fn state_to_restore(
    call: &ToolCall,
    session: &Session,
    checkpoint_id: &str,
) -> Result<CheckpointState, Status> {
    let services = &call.gateway.services;
    let to_go_on = session_tasks::to_go_on(session).map(|task| task.checkpoint_id);
    let of_task = to_go_on.filter(|_| checkpoint_id.is_empty());
    let request = |checkpoint_id: &str| GetCheckpointRequest {
        checkpoint_id: checkpoint_id.to_owned(),
        session_id: session.id.clone(),
        number: 0,
    };
    if let Some(of_task) = of_task
        && let Ok(found) = services.get_checkpoint(request(&of_task)).await
    {
        return Ok(found.state.unwrap_or_default());
    }
    let found = services.get_checkpoint(request(checkpoint_id)).await?;
    Ok(found.state.unwrap_or_default())
}

/// Which session and which checkpoint of it ("" for the newest).
async fn chosen(call: &ToolCall) -> Result<(String, String), ToolError> {
    let arguments = &call.arguments;
    let checkpoint_id = arguments.text_or_empty("checkpoint_id");
    if let Some(session_id) = arguments.text("session_id") {
        return Ok((session_id.to_owned(), checkpoint_id));
    }
    if !checkpoint_id.is_empty() {
        let request = GetCheckpointRequest {
            checkpoint_id: checkpoint_id.clone(),
            ..Default::default()
        };
        let found = call.gateway.services.get_checkpoint(request).await?;
        let session_id = found
            .checkpoint
            .map(|checkpoint| checkpoint.session_id)
            .unwrap_or_default();
        return Ok((session_id, checkpoint_id));
    }
    let project = project(call);
    let services = &call.gateway.services;
    let own = recovery::find(services, &project.name, true).await?;
    if let Some(session) = own.best().and_then(|best| best.session.clone()) {
        return Ok((session.id, checkpoint_id));
    }
    let others = recovery::find(services, &project.name, false).await?;
    let message = format!(
        "no session of {} waits to be restored",
        name(&project.name, MAX_TASK_CHARACTERS)
    );
    let fields = others
        .candidates
        .iter()
        .map(|other| ("session_id".to_owned(), recovery::line(other)))
        .collect();
    Err(ToolError::new(NOTHING_TO_RESTORE, message)
        .with_fields(fields)
        .next_step("name a session_id; shim_session_status view=sessions lists all there are"))
}

async fn restore_request(
    call: &ToolCall,
    session: &Session,
    state: &CheckpointState,
    checkpoint_id: String,
) -> RestoreCheckpointRequest {
    let present = &call.gateway.client_context.project;
    let (current_files, current_git) =
        evidence::inspect_project(&session.project, present.folder.as_deref(), state).await;
    RestoreCheckpointRequest {
        request_id: request_id(),
        session_id: session.id.clone(),
        checkpoint_id,
        expected_epoch: session.epoch,
        // Only a session that this very process holds is taken over: no other process loses anything. A live owner is never
        // robbed by a model; an older gateway of the same client and conversation is no other owner to the service.
        take_over: call.gateway.sessions.has_lease(&session.id),
        client: Some(call.client.clone()),
        current_files,
        current_git,
    }
}

async fn dismiss(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let Some(session_id) = call.arguments.text("session_id") else {
        let rule = "is required for action=dismiss".to_owned();
        return Err(ToolError::new(BAD_REQUEST, "no session was named")
            .with_fields(vec![("session_id".to_owned(), rule)])
            .next_step("name one of the sessions action=detect lists"));
    };
    let request = DismissRecoveryRequest {
        request_id: request_id(),
        session_id: session_id.to_owned(),
    };
    let answer = call.gateway.services.dismiss_recovery(request).await;
    let answer = answer.map_err(|status| ToolError::from(status).about(session_id))?;
    let status = answer
        .session
        .map_or("", |session| words::session_status(session.status()));
    let text = "The session is off the recovery list. Nothing was deleted; it can still be restored by its id.";
    let facts = Facts::new().set_some("status", status);
    let step = "go on; action=restore with its id still brings it back";
    Ok(ToolOutput::new(text, facts, step).with_session(session_id))
}
