//! The story: work, save, die, be found, come back, and the dead owner refused.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shim_proto::checkpoint::v1::{CheckpointState, SaveCheckpointRequest};
use shim_runtime::fault;

use super::claude::{Answer, Claude};
use super::project::{CHANGED, KEPT, Project};
use super::stage::Stage;
use super::telling::{hold, say, title};
use crate::connection::{request, request_id};
use crate::failure::Failure;

const TASK: &str = "Add a token-bucket rate limiter to the API";
const DONE_STEP: &str = "Write the refill";
const OPEN_STEP: &str = "Limit each client on its own";
/// A dead owner is noticed at once; this is patience for a busy machine.
const NOTICED_WITHIN: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Plays it from beginning to end.
pub(super) async fn play(
    stage: &mut Stage,
    project: &Project,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut first = open(stage, project, out).await?;
    let session_id = work(&mut first, project, out).await?;
    let died = die(first, project, out).await?;
    let mut second = Claude::open(stage, project.path()).await?;
    be_found(&mut second, &session_id, died, out).await?;
    come_back(&mut second, &session_id, out).await?;
    refuse_the_dead(stage, &session_id, out).await?;
    go_on(second, &session_id, out).await
}

async fn open(stage: &Stage, project: &Project, out: &mut dyn Write) -> Result<Claude, Failure> {
    title(
        out,
        1,
        "Claude opens a project; its gateway connects to the stack",
    )?;
    if let Some(stack) = &stage.stack {
        say(
            out,
            &format!(
                "stack: pid {}, socket {}",
                stack.pid,
                stack.socket.display()
            ),
        )?;
    }
    let started = Instant::now();
    let mut claude = Claude::open(stage, project.path()).await?;
    let took = started.elapsed();
    say(
        out,
        &format!(
            "gateway: {} (pid {}), ready after {} ms",
            claude.server,
            claude.pid(),
            took.as_millis()
        ),
    )?;
    let tools = claude.tools().await?;
    say(out, &format!("tools: {}", tools.join(", ")))?;
    hold(tools.len() == 6, "the gateway has six tools")?;
    Ok(claude)
}

/// Two checkpoints around a real commit.
async fn work(
    claude: &mut Claude,
    project: &Project,
    out: &mut dyn Write,
) -> Result<String, Failure> {
    title(out, 2, "It works, and saves what it knows")?;
    let begun = json!({
        "current_task": TASK, "progress": 0.2, "trigger": "milestone",
        "decisions": ["Token bucket, not sliding window: bursts are wanted"],
        "active_files": [CHANGED, KEPT],
        "next_steps": [DONE_STEP, OPEN_STEP],
    });
    let saved = claude.call("shim_auto_checkpoint", begun).await?;
    say(out, &saved.text)?;
    say(out, &format!("git: {}", project.implement_refill()?))?;
    let halfway = json!({
        "current_task": TASK, "progress": 0.6, "trigger": "milestone",
        "active_files": [CHANGED, KEPT],
        "completed_steps": [DONE_STEP],
        "next_steps": [OPEN_STEP],
        "summary": "The refill is written and committed; limits per client are missing.",
    });
    let saved = claude.call("shim_auto_checkpoint", halfway).await?;
    say(out, &saved.text)?;
    hold(
        saved.facts["checkpoint"]["number"] == 2,
        "the second checkpoint has number 2",
    )?;
    Ok(saved.facts["session_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

async fn die(claude: Claude, project: &Project, out: &mut dyn Write) -> Result<Instant, Failure> {
    title(
        out,
        3,
        "kill -9, in the middle of the work; then a file changes in another window",
    )?;
    say(out, &format!("kill -9 {}", claude.pid()))?;
    claude.kill().await?;
    let died = Instant::now();
    project.change_behind_the_back()?;
    say(out, &format!("changed: {CHANGED}"))?;
    Ok(died)
}

async fn be_found(
    claude: &mut Claude,
    session_id: &str,
    died: Instant,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    title(out, 4, "A new gateway looks for interrupted work")?;
    let (found, candidate) = loop {
        let found = claude
            .call("shim_check_recovery", json!({ "action": "detect" }))
            .await?;
        if let Some(candidate) = candidate(&found, session_id) {
            break (found, candidate);
        }
        hold(
            died.elapsed() < NOTICED_WITHIN,
            "the dead session is offered for recovery",
        )?;
        tokio::time::sleep(LOOK_AGAIN).await;
    };
    say(out, &found.text)?;
    say(
        out,
        &format!("found {} ms after its death", died.elapsed().as_millis()),
    )?;
    let interruption = candidate["interruption"].to_string().to_lowercase();
    hold(
        interruption.contains("killed"),
        "the cause is known: its process was killed",
    )
}

fn candidate(found: &Answer, session_id: &str) -> Option<Value> {
    let candidates = found.facts["candidates"].as_array()?;
    candidates
        .iter()
        .find(|candidate| candidate.to_string().contains(session_id))
        .cloned()
}

async fn come_back(
    claude: &mut Claude,
    session_id: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    title(out, 5, "It is restored; the prompt tells what is true now")?;
    let restore = json!({ "action": "restore", "session_id": session_id });
    let restored = claude.call("shim_check_recovery", restore).await?;
    say(out, &restored.text)?;
    let verdict = |subject: &str| {
        let claims = restored.facts["claims"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let claim = claims.into_iter().find(|claim| {
            claim["subject"]
                .as_str()
                .is_some_and(|it| it.ends_with(subject))
        });
        claim.map_or_else(String::new, |claim| {
            claim["verdict"].as_str().unwrap_or_default().to_lowercase()
        })
    };
    hold(
        verdict(CHANGED) == "changed",
        "the prompt names the file that changed",
    )?;
    hold(
        verdict(KEPT) == "unchanged",
        "the other file is known to be as it was",
    )?;
    hold(
        verdict(DONE_STEP) == "done",
        "the finished step is not proposed again",
    )?;
    hold(verdict(OPEN_STEP) == "open", "the open step is")?;
    hold(
        restored.text.contains(CHANGED),
        "a reader of the prompt sees it too",
    )
}

/// No tool can save as another owner, so the old owner's call is made on the wire.
async fn refuse_the_dead(
    stage: &mut Stage,
    session_id: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
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
    match stage.service.save_checkpoint(request(late)).await {
        Ok(_) => Err(Failure::new("this did not hold: a stale save is refused")),
        Err(status) => {
            let told = fault::explain(&status);
            say(out, &format!("refused: {told}"))?;
            hold(
                told.reason == "STALE_OWNER",
                "it is refused as a stale owner",
            )
        }
    }
}

async fn go_on(mut claude: Claude, session_id: &str, out: &mut dyn Write) -> Result<(), Failure> {
    title(out, 7, "The work goes on where it stood")?;
    let finished = json!({
        "session_id": session_id, "current_task": TASK, "progress": 1.0, "trigger": "session_end",
        "completed_steps": [OPEN_STEP], "next_steps": [], "active_files": [CHANGED, KEPT],
    });
    let saved = claude.call("shim_auto_checkpoint", finished).await?;
    say(out, &saved.text)?;
    hold(
        saved.facts["checkpoint"]["number"] == 3,
        "the numbers go on without a gap",
    )?;
    claude.close().await
}
