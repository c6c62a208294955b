//! `shim_check_recovery`: finds sessions that died, brings one back, or takes one off the list.

use serde_json::json;
use shim_proto::checkpoint::v1::{
    CheckpointState, DetectRecoveryRequest, DismissRecoveryRequest, GetCheckpointRequest,
    GetSessionRequest, RecoveryCandidate, RestoreCheckpointRequest, RestoreCheckpointResponse,
    Session,
};
use tonic::Status;

use super::{Answer, Call, Hints, Spec, fact};
use crate::arguments::{Form, optional};
use crate::config::Project;
use crate::evidence;
use crate::facts;
use crate::problem::Problem;
use crate::recovery;
use crate::services::request_id;

const MAX_CANDIDATES: i32 = 10;

pub(super) const SPEC: Spec = Spec {
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
            Form::Choice(&["detect", "restore", "dismiss"]),
            "What to do; \"detect\" if left out.",
        ),
        optional(
            "project",
            Form::Text { max_bytes: 4_096 },
            "The project, an absolute folder or a name as the list shows it; left out, the present one.",
        ),
        optional(
            "checkpoint_id",
            Form::Id,
            "For restore: the checkpoint to go back to; left out, the session's newest intact one.",
        ),
        optional(
            "session_id",
            Form::Id,
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
    facts: &[
        fact(
            "candidates",
            "array",
            "detect: interrupted sessions, best first: session_id, project, interruption, age_seconds, confidence, checkpoint, next_steps.",
        ),
        fact(
            "own_session",
            "object",
            "detect: this process's own session if it has checkpoints; another chat of the same client may have filled it.",
        ),
        fact(
            "resume_prompt",
            "string",
            "restore: the state to go on from; its claims were checked.",
        ),
        fact(
            "claims",
            "array",
            "restore: each checked claim: kind, subject, verdict, detail.",
        ),
        fact("checkpoint", "object", "restore: the checkpoint restored."),
        fact("restore_id", "string", "restore: names this restore."),
        fact(
            "interruption",
            "object",
            "restore: how the session was interrupted: cause, confidence, evidence, at.",
        ),
        fact(
            "damaged_numbers",
            "array",
            "restore: newer checkpoints that are damaged and were passed over.",
        ),
        fact(
            "session",
            "object",
            "restore and dismiss: the session as it is now.",
        ),
    ],
};

pub(super) async fn run(call: &Call) -> Result<Answer, Problem> {
    match call.arguments.text("action") {
        Some("restore") => restore(call).await,
        Some("dismiss") => dismiss(call).await,
        _ => detect(call).await,
    }
}

fn project(call: &Call) -> Project {
    call.arguments
        .text("project")
        .map_or_else(|| call.gateway.surroundings.project.clone(), Project::named)
}

async fn detect(call: &Call) -> Result<Answer, Problem> {
    let project = project(call);
    let candidates = candidates(call, &project, false).await?;
    let mut text = recovery::list(&candidates, &project.name);
    let mut facts =
        json!({"candidates": candidates.iter().map(facts::candidate).collect::<Vec<_>>()});
    if let Some(own) = own_session(call).await {
        text.push_str(&format!(
            "\nThis process's own session {} has {} checkpoint(s), the last one on: {}. If another chat of this client \
             wrote them, action=restore session_id={} shows where it stood.",
            own.id, own.head_number, own.current_task, own.id,
        ));
        facts["own_session"] = facts::session(&own);
    }
    let answer = Answer::new(text, facts);
    Ok(Answer {
        session_id: call.gateway.sessions.default_id().await,
        ..answer
    })
}

async fn candidates(
    call: &Call,
    project: &Project,
    only: bool,
) -> Result<Vec<RecoveryCandidate>, Problem> {
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
async fn own_session(call: &Call) -> Option<Session> {
    let session_id = call.gateway.sessions.default_id().await?;
    let session = call
        .gateway
        .services
        .get_session(GetSessionRequest { session_id })
        .await
        .ok()?
        .session?;
    (session.head_number > 0).then_some(session)
}

async fn restore(call: &Call) -> Result<Answer, Problem> {
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
    .map_err(|status| Problem::from(status).about(session_id.as_str()))?;
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
        .map_err(|status| owned_elsewhere(status, &session))?;
    if let Some(session) = &restored.session {
        call.gateway.sessions.restored(session, &call.client).await;
    }
    Ok(told(&restored).of_session(session_id))
}

/// Which session and which checkpoint of it ("" for the newest).
async fn chosen(call: &Call) -> Result<(String, String), Problem> {
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
    Err(Problem::new("NOTHING_TO_RESTORE", message)
        .with_fields(fields)
        .next_step("name a session_id; shim_session_status view=sessions lists all there are"))
}

async fn restore_request(
    call: &Call,
    session: &Session,
    state: &CheckpointState,
    checkpoint_id: String,
) -> RestoreCheckpointRequest {
    let present = &call.gateway.surroundings.project;
    let folder = Project::named(&session.project)
        .folder
        .or_else(|| present.folder.clone());
    let paths = state
        .active_files
        .iter()
        .map(|file| file.path.clone())
        .collect();
    let (current_files, current_git) = tokio::join!(
        evidence::look_at_files(folder.clone(), paths),
        evidence::look_at_git(folder.as_deref())
    );
    RestoreCheckpointRequest {
        request_id: request_id(),
        session_id: session.id.clone(),
        checkpoint_id,
        expected_epoch: session.epoch,
        // Only what this very process holds is taken over: nobody else loses anything by it.
        take_over: call.gateway.sessions.holds(&session.id),
        client: Some(call.client.clone()),
        current_files,
        current_git,
    }
}

/// The service's remedy speaks of a flag this tool does not have, on purpose: a live owner is never robbed by a model.
fn owned_elsewhere(status: Status, session: &Session) -> Problem {
    let problem = Problem::from(status).about(session.id.as_str());
    if &*problem.reason == "SESSION_OWNED" {
        problem.next_step(format!(
            "close the client that holds it and try again; a person can force it with `shim sessions restore {}`",
            session.id
        ))
    } else {
        problem
    }
}

fn told(restored: &RestoreCheckpointResponse) -> Answer {
    let mut facts = json!({
        "resume_prompt": restored.resume_prompt,
        "claims": restored.claims.iter().map(facts::claim).collect::<Vec<_>>(),
        "restore_id": restored.restore_id,
        "damaged_numbers": restored.damaged_numbers,
    });
    if let Some(checkpoint) = &restored.checkpoint {
        facts["checkpoint"] = facts::checkpoint(checkpoint);
    }
    if let Some(session) = &restored.session {
        facts["session"] = facts::session(session);
    }
    if let Some(interruption) = &restored.interruption {
        facts["interruption"] = facts::interruption(interruption);
    }
    Answer::new(restored.resume_prompt.clone(), facts)
}

async fn dismiss(call: &Call) -> Result<Answer, Problem> {
    let Some(session_id) = call.arguments.text("session_id") else {
        let rule = "is required for action=dismiss".to_owned();
        return Err(Problem::new("BAD_REQUEST", "no session was named")
            .with_fields(vec![("session_id".to_owned(), rule)])
            .next_step("name one of the sessions action=detect lists"));
    };
    let request = DismissRecoveryRequest {
        request_id: request_id(),
        session_id: session_id.to_owned(),
    };
    let answer = call.gateway.services.dismiss_recovery(request).await;
    let answer = answer.map_err(|status| Problem::from(status).about(session_id))?;
    let facts = answer.session.as_ref().map_or_else(
        || json!({}),
        |session| json!({"session": facts::session(session)}),
    );
    let text = "The session is off the recovery list. Nothing was deleted; it can still be restored by its id.";
    Ok(Answer::new(text, facts).of_session(session_id))
}
