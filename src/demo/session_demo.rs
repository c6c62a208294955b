//! The demo of one session: it works, saves, is killed, is detected and restored, and its old owner is refused.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shim_proto::checkpoint::v1::{CheckpointState, SaveCheckpointRequest};
use shim_proto::reasons::STALE_OWNER;
use shim_runtime::service_error;

use super::mcp_client::{McpClient, ToolAnswer};
use super::narration::{ensure, quote, title};
use super::project::{CHANGED, KEPT, Project};
use super::sandbox::Sandbox;
use crate::connection::{request, request_id};
use crate::error::CliError;

const TASK: &str = "Add a token-bucket rate limiter to the API";
const DONE_STEP: &str = "Write the refill";
const OPEN_STEP: &str = "Limit each client on its own";
/// A dead owner is detected at once; a busy machine may take longer.
const NOTICED_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);

/// Plays it from beginning to end.
pub(super) async fn play(
    sandbox: &mut Sandbox,
    project: &Project,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let mut first = open(sandbox, project, out).await?;
    let session_id = work(&mut first, project, out).await?;
    let died = kill_gateway(first, project, out).await?;
    let mut second = McpClient::open(sandbox, project.path()).await?;
    detect_interrupted(&mut second, &session_id, died, out).await?;
    restore_session(&mut second, &session_id, out).await?;
    refuse_stale_owner(sandbox, &session_id, out).await?;
    finish_work(second, &session_id, out).await
}

async fn open(
    sandbox: &Sandbox,
    project: &Project,
    out: &mut dyn Write,
) -> Result<McpClient, CliError> {
    title(
        out,
        1,
        "Claude opens a project; its gateway connects to the stack",
    )?;
    if let Some(stack) = &sandbox.stack {
        quote(
            out,
            &format!(
                "stack: pid {}, socket {}",
                stack.pid,
                stack.socket.display()
            ),
        )?;
    }
    let started = Instant::now();
    let mut claude = McpClient::open(sandbox, project.path()).await?;
    let took = started.elapsed();
    quote(
        out,
        &format!(
            "gateway: {} (pid {}), ready after {} ms",
            claude.server,
            claude.pid(),
            took.as_millis()
        ),
    )?;
    let tools = claude.tools().await?;
    quote(out, &format!("tools: {}", tools.join(", ")))?;
    ensure(tools.len() == 6, "the gateway has six tools")?;
    Ok(claude)
}

/// Two checkpoints around a real commit.
async fn work(
    claude: &mut McpClient,
    project: &Project,
    out: &mut dyn Write,
) -> Result<String, CliError> {
    title(out, 2, "It works, and saves what it knows")?;
    let begun = json!({
        "current_task": TASK, "progress": 0.2, "trigger": "milestone",
        "decisions": ["Token bucket, not sliding window: bursts are wanted"],
        "active_files": [CHANGED, KEPT],
        "next_steps": [DONE_STEP, OPEN_STEP],
    });
    let saved = claude.call("shim_auto_checkpoint", begun).await?;
    quote(out, &saved.text)?;
    quote(out, &format!("git: {}", project.implement_refill()?))?;
    let halfway = json!({
        "current_task": TASK, "progress": 0.6, "trigger": "milestone",
        "active_files": [CHANGED, KEPT],
        "completed_steps": [DONE_STEP],
        "next_steps": [OPEN_STEP],
        "summary": "The refill is written and committed; limits per client are missing.",
    });
    let saved = claude.call("shim_auto_checkpoint", halfway).await?;
    quote(out, &saved.text)?;
    ensure(
        saved.structured["checkpoint"]["number"] == 2,
        "the second checkpoint has number 2",
    )?;
    Ok(saved.structured["session_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

async fn kill_gateway(
    claude: McpClient,
    project: &Project,
    out: &mut dyn Write,
) -> Result<Instant, CliError> {
    title(
        out,
        3,
        "kill -9, in the middle of the work; then a file changes in another window",
    )?;
    quote(out, &format!("kill -9 {}", claude.pid()))?;
    claude.kill().await?;
    let died = Instant::now();
    project.edit_outside_session()?;
    quote(out, &format!("changed: {CHANGED}"))?;
    Ok(died)
}

async fn detect_interrupted(
    claude: &mut McpClient,
    session_id: &str,
    died: Instant,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    title(out, 4, "A new gateway looks for interrupted work")?;
    let (found, candidate) = loop {
        let found = claude
            .call("shim_check_recovery", json!({ "action": "detect" }))
            .await?;
        if let Some(candidate) = candidate(&found, session_id) {
            break (found, candidate);
        }
        ensure(
            died.elapsed() < NOTICED_WITHIN,
            "the dead session is offered for recovery",
        )?;
        tokio::time::sleep(POLL).await;
    };
    quote(out, &found.text)?;
    quote(
        out,
        &format!("found {} ms after its death", died.elapsed().as_millis()),
    )?;
    let interruption = candidate["interruption"].to_string().to_lowercase();
    ensure(
        interruption.contains("killed"),
        "the cause is known: its process was killed",
    )
}

fn candidate(found: &ToolAnswer, session_id: &str) -> Option<Value> {
    let candidates = found.structured["candidates"].as_array()?;
    candidates
        .iter()
        .find(|candidate| candidate.to_string().contains(session_id))
        .cloned()
}

async fn restore_session(
    claude: &mut McpClient,
    session_id: &str,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    title(out, 5, "It is restored; the prompt tells what is true now")?;
    let restore = json!({ "action": "restore", "session_id": session_id });
    let restored = claude.call("shim_check_recovery", restore).await?;
    quote(out, &restored.text)?;
    let verdict = |subject: &str| verdict(&restored.structured["claims"], subject);
    ensure(
        verdict(CHANGED) == "changed",
        "the prompt names the file that changed",
    )?;
    ensure(
        verdict(KEPT) == "unchanged",
        "the other file is known to be as it was",
    )?;
    ensure(
        verdict(DONE_STEP) == "done",
        "the finished step is not proposed again",
    )?;
    ensure(verdict(OPEN_STEP) == "open", "the open step is")?;
    ensure(
        restored.text.contains(CHANGED),
        "a reader of the prompt sees it too",
    )
}

/// What the claims say of a subject, or "" if none is about it.
fn verdict(claims: &Value, subject: &str) -> String {
    let is_about = |claim: &&Value| {
        let name = claim["subject"].as_str();
        name.is_some_and(|name| name.ends_with(subject))
    };
    let claim = claims.as_array().and_then(|all| all.iter().find(is_about));
    let verdict = claim.and_then(|claim| claim["verdict"].as_str());
    verdict.unwrap_or_default().to_lowercase()
}

/// No tool can save as another owner, so the old owner's call is made on the wire.
async fn refuse_stale_owner(
    sandbox: &mut Sandbox,
    session_id: &str,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    title(out, 6, "The old owner wakes up and tries to save over it")?;
    let late = SaveCheckpointRequest {
        request_id: request_id(),
        session_id: session_id.to_owned(),
        epoch: 1,
        state: Some(CheckpointState {
            current_task: TASK.to_owned(),
            progress: 0.3,
            ..CheckpointState::default()
        }),
        ..SaveCheckpointRequest::default()
    };
    match sandbox.service.save_checkpoint(request(late)).await {
        Ok(_) => Err(CliError::new("this did not hold: a stale save is refused")),
        Err(status) => {
            let decoded = service_error::decode(&status);
            quote(out, &format!("refused: {decoded}"))?;
            ensure(
                decoded.reason == STALE_OWNER,
                "it is refused as a stale owner",
            )
        }
    }
}

async fn finish_work(
    mut claude: McpClient,
    session_id: &str,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    title(out, 7, "The work goes on where it stood")?;
    let finished = json!({
        "session_id": session_id, "current_task": TASK, "progress": 1.0, "trigger": "session_end",
        "completed_steps": [OPEN_STEP], "next_steps": [], "active_files": [CHANGED, KEPT],
    });
    let saved = claude.call("shim_auto_checkpoint", finished).await?;
    quote(out, &saved.text)?;
    ensure(
        saved.structured["checkpoint"]["number"] == 3,
        "the numbers go on without a gap",
    )?;
    claude.close().await
}
