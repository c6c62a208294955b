//! The demo of a team: three windows share a job, one of them is killed, another goes on with its part, and the results
//! become one.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shim_proto::reasons::STALE_LEASE;

use super::mcp_client::{McpClient, ToolAnswer};
use super::narration::{ensure, quote, title};
use super::project::{CHANGED, Project};
use super::sandbox::Sandbox;
use crate::error::CliError;

const COORDINATE: &str = "shim_coordinate_task";
const WORK: &str = "shim_worker_task";
const SAVE: &str = "shim_auto_checkpoint";

const JOB: &str = "Put the rate limiter into service";
/// The part whose worker is killed.
const LOST: &str = "clients";
/// The part that comes after all others.
const LAST: &str = "release";
const DECISION: &str = "The API key names the client, not the address: many share one";
const DONE_STEP: &str = "Key the buckets by client";
const OPEN_STEP: &str = "Drop the buckets of clients that are silent for an hour";
/// A death is known after a second; a busy machine may take longer.
const TAKEN_WITHIN: Duration = Duration::from_secs(20);

/// A window that works, and the part it has.
struct DemoWorker {
    number: usize,
    claude: McpClient,
    part: Value,
    lease: String,
}

impl DemoWorker {
    /// The submitter's name of its part.
    fn part(&self) -> &str {
        text(&self.part["id"])
    }

    /// Waits for a part and takes it.
    async fn claim(&mut self) -> Result<ToolAnswer, CliError> {
        let arguments = json!({ "action": "claim", "capabilities": ["rust"] });
        let claimed = self.claude.call(WORK, arguments).await?;
        ensure(
            claimed.structured["task"].is_object(),
            "a part waits for it",
        )?;
        self.part = claimed.structured["task"].clone();
        text(&claimed.structured["lease"]).clone_into(&mut self.lease);
        Ok(claimed)
    }

    async fn complete(&mut self, result: &str, out: &mut dyn Write) -> Result<(), CliError> {
        let arguments = json!({ "action": "complete", "result": result });
        let completed = self.claude.call(WORK, arguments).await?;
        let state = &completed.structured["task"]["state"];
        ensure(state == "completed", "the result counts")?;
        quote(
            out,
            &format!("worker {} completed \"{}\"", self.number, self.part()),
        )
    }
}

/// Plays it from beginning to end.
pub(super) async fn play(
    sandbox: &Sandbox,
    project: &Project,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let mut supervisor = McpClient::open(sandbox, project.path()).await?;
    let job = submit(&mut supervisor, out).await?;
    let mut workers = claim_parts(sandbox, project, out).await?;
    let lost = workers.iter().position(|worker| worker.part() == LOST);
    let lost = lost.ok_or_else(|| CliError::new(format!("nobody took \"{LOST}\"")))?;
    let lost = workers.remove(lost);
    let (part, lease) = (lost.part.clone(), lost.lease.clone());
    let died = kill_worker(lost, out).await?;
    let mut successor = take_over(&mut workers, &part, died, out).await?;
    show_status(&mut supervisor, &job, out).await?;
    refuse_stale_lease(&mut successor.claude, &part, &lease, out).await?;
    finish(&mut successor, out).await?;
    collect_results(&mut supervisor, &job, out).await?;
    workers.push(successor);
    for worker in workers {
        worker.claude.close().await?;
    }
    supervisor.close().await
}

/// Three parts side by side, each with its files, and one after them. Returns the job's id.
async fn submit(supervisor: &mut McpClient, out: &mut dyn Write) -> Result<String, CliError> {
    title(out, 8, "Another window gives a job to the team")?;
    let parts = json!([
        { "id": LOST, "goal": "Limit each client on its own", "files": [CHANGED] },
        { "id": "answer", "goal": "Answer 429 with Retry-After", "files": ["src/answer.rs"] },
        { "id": "docs", "goal": "Describe the limits", "files": ["docs/**"] },
        { "id": LAST, "goal": "Write the release note", "after": [LOST, "answer", "docs"] },
    ]);
    let arguments = json!({ "action": "submit", "goal": JOB, "subtasks": parts });
    let submitted = supervisor.call(COORDINATE, arguments).await?;
    quote(out, &submitted.text)?;
    Ok(text(&submitted.structured["task"]["task_id"]).to_owned())
}

/// Three windows claim at the same moment; each gets a part of its own.
async fn claim_parts(
    sandbox: &Sandbox,
    project: &Project,
    out: &mut dyn Write,
) -> Result<Vec<DemoWorker>, CliError> {
    title(out, 9, "Three windows claim at the same moment")?;
    let mut workers = Vec::new();
    for number in 1..=3 {
        workers.push(DemoWorker {
            number,
            claude: McpClient::open(sandbox, project.path()).await?,
            part: Value::Null,
            lease: String::new(),
        });
    }
    let [first, second, third] = &mut workers[..] else {
        return Err(CliError::new("there are three workers"));
    };
    tokio::try_join!(first.claim(), second.claim(), third.claim())?;
    for worker in &workers {
        quote(
            out,
            &format!(
                "worker {} (pid {}) has \"{}\": {}; lease {}; for itself: {}",
                worker.number,
                worker.claude.pid(),
                worker.part(),
                text(&worker.part["goal"]),
                worker.lease,
                worker.part["files"],
            ),
        )?;
    }
    let mut parts: Vec<_> = workers.iter().map(DemoWorker::part).collect();
    parts.sort_unstable();
    parts.dedup();
    ensure(parts.len() == 3, "no part is given out twice")?;
    Ok(workers)
}

/// A worker saves how far it is, and dies.
async fn kill_worker(mut lost: DemoWorker, out: &mut dyn Write) -> Result<Instant, CliError> {
    title(out, 10, "One of them saves how far it is; then kill -9")?;
    let state = json!({
        "current_task": "Limit each client on its own", "progress": 0.5, "active_files": [CHANGED],
        "decisions": [DECISION], "completed_steps": [DONE_STEP], "next_steps": [OPEN_STEP],
    });
    let saved = lost.claude.call(SAVE, state).await?;
    quote(out, &saved.text)?;
    let report = json!({ "action": "progress", "progress": 0.5, "note": DONE_STEP });
    let noted = lost.claude.call(WORK, report).await?;
    ensure(
        noted.structured["task"]["checkpoint_id"]
            == saved.structured["checkpoint"]["checkpoint_id"],
        "the checkpoint is kept with the part",
    )?;
    quote(
        out,
        &format!("kill -9 {} (worker {})", lost.claude.pid(), lost.number),
    )?;
    lost.claude.kill().await?;
    Ok(Instant::now())
}

/// The others end their parts, and the one that claims first gets what the dead one left.
async fn take_over(
    workers: &mut Vec<DemoWorker>,
    part: &Value,
    died: Instant,
    out: &mut dyn Write,
) -> Result<DemoWorker, CliError> {
    title(
        out,
        11,
        "The others complete theirs; one of them goes on with the lost part",
    )?;
    for worker in workers.iter_mut() {
        let result = format!("{}: done and tested.", text(&worker.part["goal"]));
        worker.complete(&result, out).await?;
    }
    claim_lost_part(workers.remove(0), part, died, out).await
}

/// A worker claims the lost part, with all that the dead worker knew.
async fn claim_lost_part(
    mut successor: DemoWorker,
    part: &Value,
    died: Instant,
    out: &mut dyn Write,
) -> Result<DemoWorker, CliError> {
    let claimed = successor.claim().await?;
    let waited = died.elapsed();
    quote(out, text(&claimed.structured["resume_prompt"]))?;
    quote(
        out,
        &format!(
            "worker {} has \"{}\" {} ms after the kill; lease {}",
            successor.number,
            successor.part(),
            waited.as_millis(),
            successor.lease,
        ),
    )?;
    ensure(
        successor.part["task_id"] == part["task_id"],
        "it is that part",
    )?;
    ensure(waited < TAKEN_WITHIN, "it did not wait for long")?;
    ensure(successor.part["worker_deaths"] == 1, "its story is known")?;
    for fact in [DECISION, DONE_STEP, OPEN_STEP] {
        ensure(
            claimed.text.contains(fact),
            "what the dead worker knew is told",
        )?;
    }
    Ok(successor)
}

async fn show_status(
    supervisor: &mut McpClient,
    job: &str,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    title(out, 12, "What the supervisor sees")?;
    let arguments = json!({ "action": "status", "task_id": job });
    let status = supervisor.call(COORDINATE, arguments).await?;
    quote(out, &status.text)
}

/// The report of a worker that was only slow would come like this.
async fn refuse_stale_lease(
    claude: &mut McpClient,
    part: &Value,
    lease: &str,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    title(out, 13, "A result with the dead worker's lease comes late")?;
    let late = json!({
        "action": "complete", "task_id": part["task_id"], "lease": lease, "result": "from the grave",
    });
    let (said, reason) = claude.call_refused(WORK, late).await?;
    quote(out, &said)?;
    ensure(reason == STALE_LEASE, "it is refused as a stale claim")
}

/// The lost part ends, and with it the wait of the last one.
async fn finish(successor: &mut DemoWorker, out: &mut dyn Write) -> Result<(), CliError> {
    title(out, 14, "The lost part ends, and the last one starts")?;
    successor
        .complete("Limit each client on its own: done and tested.", out)
        .await?;
    let claimed = successor.claim().await?;
    ensure(
        successor.part() == LAST,
        "the last part waited for the others",
    )?;
    let before = claimed.structured["results_before"]
        .as_array()
        .map_or(0, Vec::len);
    quote(
        out,
        &format!(
            "worker {} has \"{LAST}\", with the results of {before} parts",
            successor.number
        ),
    )?;
    ensure(before == 3, "it knows what came of them")?;
    successor
        .complete("1.4: clients are limited one by one.", out)
        .await
}

async fn collect_results(
    supervisor: &mut McpClient,
    job: &str,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    title(out, 15, "The supervisor gathers one result")?;
    let wait = json!({ "action": "wait", "task_id": job });
    let ended = supervisor.call(COORDINATE, wait).await?;
    ensure(ended.structured["ended"] == true, "the job has ended")?;
    let results = json!({ "action": "results", "task_id": job });
    let results = supervisor.call(COORDINATE, results).await?;
    quote(out, &results.text)?;
    ensure(results.structured["complete"] == true, "nothing is missing")?;
    let merged = text(&results.structured["result"]["text"]);
    let order = ["each client", "429", "the limits", "1.4"].map(|words| merged.find(words));
    ensure(
        order.iter().all(Option::is_some) && order.is_sorted(),
        "the results stand in the order of the parts",
    )
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
