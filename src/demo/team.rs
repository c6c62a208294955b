//! The team's story: three windows share a job, one of them is killed, another goes on where it stood, and the results
//! become one.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::claude::{Answer, Claude};
use super::project::{CHANGED, Project};
use super::stage::Stage;
use super::telling::{hold, say, title};
use crate::failure::Failure;

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
/// More than the second until a death is known; this is patience for a busy machine.
const TAKEN_WITHIN: Duration = Duration::from_secs(20);

/// A window that works, and the part it has.
struct Worker {
    number: usize,
    claude: Claude,
    part: Value,
    lease: String,
}

impl Worker {
    /// The submitter's name of its part.
    fn part(&self) -> &str {
        text(&self.part["id"])
    }

    /// Waits for a part and takes it.
    async fn claim(&mut self) -> Result<Answer, Failure> {
        let arguments = json!({ "action": "claim", "capabilities": ["rust"] });
        let claimed = self.claude.call(WORK, arguments).await?;
        hold(claimed.facts["task"].is_object(), "a part waits for it")?;
        self.part = claimed.facts["task"].clone();
        text(&claimed.facts["lease"]).clone_into(&mut self.lease);
        Ok(claimed)
    }

    async fn complete(&mut self, result: &str, out: &mut dyn Write) -> Result<(), Failure> {
        let arguments = json!({ "action": "complete", "result": result });
        let completed = self.claude.call(WORK, arguments).await?;
        let state = &completed.facts["task"]["state"];
        hold(state == "completed", "the result counts")?;
        say(
            out,
            &format!("worker {} completed \"{}\"", self.number, self.part()),
        )
    }
}

/// Plays it from beginning to end.
pub(super) async fn play(
    stage: &Stage,
    project: &Project,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut supervisor = Claude::open(stage, project.path()).await?;
    let job = submit(&mut supervisor, out).await?;
    let mut workers = gather(stage, project, out).await?;
    let lost = workers.iter().position(|worker| worker.part() == LOST);
    let lost = lost.ok_or_else(|| Failure::new(format!("nobody took \"{LOST}\"")))?;
    let lost = workers.remove(lost);
    let (part, lease) = (lost.part.clone(), lost.lease.clone());
    let died = lose(lost, out).await?;
    let mut heir = inherit(&mut workers, &part, died, out).await?;
    supervise(&mut supervisor, &job, out).await?;
    refuse_the_dead(&mut heir.claude, &part, &lease, out).await?;
    finish(&mut heir, out).await?;
    gather_results(&mut supervisor, &job, out).await?;
    workers.push(heir);
    for worker in workers {
        worker.claude.close().await?;
    }
    supervisor.close().await
}

/// Three parts side by side, each with its files, and one after them. Returns the job's id.
async fn submit(supervisor: &mut Claude, out: &mut dyn Write) -> Result<String, Failure> {
    title(out, 8, "Another window gives a job to the team")?;
    let parts = json!([
        { "id": LOST, "goal": "Limit each client on its own", "files": [CHANGED] },
        { "id": "answer", "goal": "Answer 429 with Retry-After", "files": ["src/answer.rs"] },
        { "id": "docs", "goal": "Describe the limits", "files": ["docs/**"] },
        { "id": LAST, "goal": "Write the release note", "after": [LOST, "answer", "docs"] },
    ]);
    let arguments = json!({ "action": "submit", "goal": JOB, "subtasks": parts });
    let submitted = supervisor.call(COORDINATE, arguments).await?;
    say(out, &submitted.text)?;
    Ok(text(&submitted.facts["task"]["task_id"]).to_owned())
}

/// Three windows claim at the same moment; each gets a part of its own.
async fn gather(
    stage: &Stage,
    project: &Project,
    out: &mut dyn Write,
) -> Result<Vec<Worker>, Failure> {
    title(out, 9, "Three windows claim at the same moment")?;
    let mut workers = Vec::new();
    for number in 1..=3 {
        workers.push(Worker {
            number,
            claude: Claude::open(stage, project.path()).await?,
            part: Value::Null,
            lease: String::new(),
        });
    }
    let [first, second, third] = &mut workers[..] else {
        return Err(Failure::new("there are three workers"));
    };
    tokio::try_join!(first.claim(), second.claim(), third.claim())?;
    for worker in &workers {
        say(
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
    let mut parts: Vec<_> = workers.iter().map(Worker::part).collect();
    parts.sort_unstable();
    parts.dedup();
    hold(parts.len() == 3, "no part is given out twice")?;
    Ok(workers)
}

/// A worker saves how far it is, and dies.
async fn lose(mut lost: Worker, out: &mut dyn Write) -> Result<Instant, Failure> {
    title(out, 10, "One of them saves how far it is; then kill -9")?;
    let state = json!({
        "current_task": "Limit each client on its own", "progress": 0.5, "active_files": [CHANGED],
        "decisions": [DECISION], "completed_steps": [DONE_STEP], "next_steps": [OPEN_STEP],
    });
    let saved = lost.claude.call(SAVE, state).await?;
    say(out, &saved.text)?;
    let report = json!({ "action": "progress", "progress": 0.5, "note": DONE_STEP });
    let noted = lost.claude.call(WORK, report).await?;
    hold(
        noted.facts["task"]["checkpoint_id"] == saved.facts["checkpoint"]["checkpoint_id"],
        "the checkpoint is kept with the part",
    )?;
    say(
        out,
        &format!("kill -9 {} (worker {})", lost.claude.pid(), lost.number),
    )?;
    lost.claude.kill().await?;
    Ok(Instant::now())
}

/// The others end their parts, and the one that claims first gets what the dead one left.
async fn inherit(
    workers: &mut Vec<Worker>,
    part: &Value,
    died: Instant,
    out: &mut dyn Write,
) -> Result<Worker, Failure> {
    title(
        out,
        11,
        "The others complete theirs; one of them goes on with the lost part",
    )?;
    for worker in workers.iter_mut() {
        let result = format!("{}: done and tested.", text(&worker.part["goal"]));
        worker.complete(&result, out).await?;
    }
    let mut heir = workers.remove(0);
    let claimed = heir.claim().await?;
    let waited = died.elapsed();
    say(out, text(&claimed.facts["resume_prompt"]))?;
    say(
        out,
        &format!(
            "worker {} has \"{}\" {} ms after the kill; lease {}",
            heir.number,
            heir.part(),
            waited.as_millis(),
            heir.lease,
        ),
    )?;
    hold(heir.part["task_id"] == part["task_id"], "it is that part")?;
    hold(waited < TAKEN_WITHIN, "it did not wait for long")?;
    hold(heir.part["worker_deaths"] == 1, "its story is known")?;
    for fact in [DECISION, DONE_STEP, OPEN_STEP] {
        hold(
            claimed.text.contains(fact),
            "what the dead worker knew is told",
        )?;
    }
    Ok(heir)
}

async fn supervise(supervisor: &mut Claude, job: &str, out: &mut dyn Write) -> Result<(), Failure> {
    title(out, 12, "What the supervisor sees")?;
    let arguments = json!({ "action": "status", "task_id": job });
    let status = supervisor.call(COORDINATE, arguments).await?;
    say(out, &status.text)
}

/// The report of a worker that was only slow would come like this.
async fn refuse_the_dead(
    claude: &mut Claude,
    part: &Value,
    lease: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    title(out, 13, "A result with the dead worker's lease comes late")?;
    let late = json!({
        "action": "complete", "task_id": part["task_id"], "lease": lease, "result": "from the grave",
    });
    let (said, reason) = claude.refused(WORK, late).await?;
    say(out, &said)?;
    hold(reason == "STALE_LEASE", "it is refused as a stale claim")
}

/// The lost part ends, and with it the wait of the last one.
async fn finish(heir: &mut Worker, out: &mut dyn Write) -> Result<(), Failure> {
    title(out, 14, "The lost part ends, and the last one starts")?;
    heir.complete("Limit each client on its own: done and tested.", out)
        .await?;
    let claimed = heir.claim().await?;
    hold(heir.part() == LAST, "the last part waited for the others")?;
    let before = claimed.facts["results_before"]
        .as_array()
        .map_or(0, Vec::len);
    say(
        out,
        &format!(
            "worker {} has \"{LAST}\", with the results of {before} parts",
            heir.number
        ),
    )?;
    hold(before == 3, "it knows what came of them")?;
    heir.complete("1.4: clients are limited one by one.", out)
        .await
}

async fn gather_results(
    supervisor: &mut Claude,
    job: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    title(out, 15, "The supervisor gathers one result")?;
    let wait = json!({ "action": "wait", "task_id": job });
    let ended = supervisor.call(COORDINATE, wait).await?;
    hold(ended.facts["ended"] == true, "the job has ended")?;
    let results = json!({ "action": "results", "task_id": job });
    let results = supervisor.call(COORDINATE, results).await?;
    say(out, &results.text)?;
    hold(results.facts["complete"] == true, "nothing is missing")?;
    let merged = text(&results.facts["result"]["text"]);
    let order = ["each client", "429", "the limits", "1.4"].map(|words| merged.find(words));
    hold(
        order.iter().all(Option::is_some) && order.is_sorted(),
        "the results stand in the order of the parts",
    )
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
