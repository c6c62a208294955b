//! `shim_check_recovery`: finds sessions that died, brings one back, or takes one off the list.

use serde_json::json;
use shim_proto::checkpoint::v1::{
    CheckpointState, DetectRecoveryRequest, DismissRecoveryRequest, GetCheckpointRequest,
    GetSessionRequest, RecoveryCandidate, RestoreCheckpointRequest, RestoreCheckpointResponse,
    Session,
};
use shim_proto::reasons::{BAD_REQUEST, NOTHING_TO_RESTORE};
use tonic::Status;

use crate::arguments::{ParameterType, optional};
use crate::config::Project;
use crate::evidence;
use crate::recovery;
use crate::render::json;
use crate::services::request_id;
use crate::tool_error::ToolError;
use crate::tools::call::{ToolCall, ToolOutput};
use crate::tools::spec::{Hints, ToolSpec, output};

const MAX_CANDIDATES: i32 = 10;

pub(super) const SPEC: ToolSpec = ToolSpec {
    name: "shim_check_recovery",
    title: "Find and restore interrupted work",
    description: "Finds work that a crash, a full context window or a closed window interrupted, and brings it back.\n\
        action \"detect\" (the default) lists interrupted sessions with unfinished work, those of this project first, \
        each with its cause, age, confidence and next step; it changes nothing. Useful at the start of a \
        conversation, and when the user speaks of work this conversation does not know.\n\
        action \"restore\" makes this process the owner of a session and answers with a prompt to go on from: goal, \
        decisions, finished and open steps, and for each file whether it changed since the checkpoint. The session \
        is named by session_id or checkpoint_id; with neither, it is the best candidate of the project. A save by \
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
            ParameterType::Id,
            "For restore: the checkpoint to go back to; left out, the session's newest intact one.",
        ),
        optional(
            "session_id",
            ParameterType::Id,
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
            "array",
            "detect: interrupted sessions, best first: session_id, project, interruption, age_seconds, confidence, checkpoint, next_steps.",
        ),
        output(
            "own_session",
            "object",
            "detect: this process's own session if it has checkpoints; another chat of the same client may have filled it.",
        ),
        output(
            "resume_prompt",
            "string",
            "restore: the state to go on from; its claims were checked.",
        ),
        output(
            "claims",
            "array",
            "restore: each checked claim: kind, subject, verdict, detail.",
        ),
        output("checkpoint", "object", "restore: the checkpoint restored."),
        output("restore_id", "string", "restore: names this restore."),
        output(
            "interruption",
            "object",
            "restore: how the session was interrupted: cause, confidence, evidence, at.",
        ),
        output(
            "damaged_numbers",
            "array",
            "restore: newer checkpoints that are damaged and were passed over.",
        ),
        output(
            "session",
            "object",
            "restore and dismiss: the session as it is now.",
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
    let candidates = candidates(call, &project, false).await?;
    let mut text = recovery::list(&candidates, &project.name);
    let mut structured =
        json!({"candidates": candidates.iter().map(json::candidate).collect::<Vec<_>>()});
    if let Some(own) = own_session(call).await {
        text.push_str(&format!(
            "\nThis process's own session {} has {} checkpoint(s), the last one on: {}. If another chat of this client \
             wrote them, action=restore session_id={} shows where it stood.",
            own.id, own.head_number, own.current_task, own.id,
        ));
        structured["own_session"] = json::session(&own);
    }
    let answer = ToolOutput::new(text, structured);
    Ok(ToolOutput {
        session_id: call.gateway.sessions.default_id(),
        ..answer
    })
}

async fn candidates(
    call: &ToolCall,
    project: &Project,
    only: bool,
) -> Result<Vec<RecoveryCandidate>, ToolError> {
    let request = DetectRecoveryRequest {
        project: project.name.clone(),
        limit: MAX_CANDIDATES,
        only_project: only,
    };
    Ok(call
        .gateway
        .services
        .detect_recovery(request)
        .await?
        .candidates)
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
    let (session, state) = tokio::try_join!(
        services.get_session(GetSessionRequest {
            session_id: session_id.clone()
        }),
        services.get_checkpoint(GetCheckpointRequest {
            checkpoint_id: checkpoint_id.clone(),
            session_id: session_id.clone(),
            number: 0,
        }),
    )
    .map_err(|status| ToolError::from(status).about(session_id.as_str()))?;
    let session = session
        .session
        .ok_or_else(|| Status::internal("the service answered without the session"))?;
    let request = restore_request(
        call,
        &session,
        &state.state.unwrap_or_default(),
        checkpoint_id,
    )
    .await;
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
    Ok(render(&restored).with_session(session_id))
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
    let best = candidates(call, &project, true).await?.into_iter().next();
    if let Some(session) = best.and_then(|best| best.session) {
        return Ok((session.id, checkpoint_id));
    }
    let others = candidates(call, &project, false).await?;
    let message = format!("no session of {} waits to be restored", project.name);
    let fields = others
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

fn render(restored: &RestoreCheckpointResponse) -> ToolOutput {
    let mut structured = json!({
        "resume_prompt": restored.resume_prompt,
        "claims": restored.claims.iter().map(json::claim).collect::<Vec<_>>(),
        "restore_id": restored.restore_id,
        "damaged_numbers": restored.damaged_numbers,
    });
    if let Some(checkpoint) = &restored.checkpoint {
        structured["checkpoint"] = json::checkpoint(checkpoint);
    }
    if let Some(session) = &restored.session {
        structured["session"] = json::session(session);
    }
    if let Some(interruption) = &restored.interruption {
        structured["interruption"] = json::interruption(interruption);
    }
    ToolOutput::new(restored.resume_prompt.clone(), structured)
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
    let structured = answer.session.as_ref().map_or_else(
        || json!({}),
        |session| json!({"session": json::session(session)}),
    );
    let text = "The session is off the recovery list. Nothing was deleted; it can still be restored by its id.";
    Ok(ToolOutput::new(text, structured).with_session(session_id))
}
