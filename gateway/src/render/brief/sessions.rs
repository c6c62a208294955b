//! Sessions, their checkpoints and what may be brought back; workers.

use std::time::SystemTime;

use prost_types::Timestamp;
use serde_json::{Value, json};
use shim_proto::checkpoint::v1::{
    Checkpoint, Claim, ClaimKind, ClaimVerdict, FilePresence, FileState, Interruption,
    InterruptionCause, OpenTask, RecoveryCandidate, RiskAssessment, RiskFactor, RiskLevel,
    SearchHit, Session, SessionTask,
};
use shim_proto::coordination::v1::{Task, Worker, WorkerHealth};
use shim_render::text::one_line;
use shim_render::{session_tasks, time, words};

use super::facts::{Facts, named, rounded};
use crate::render::phrases;

const MAX_TASK_CHARACTERS: usize = 100;
const MAX_STEP_CHARACTERS: usize = 200;
const MAX_SNIPPET_CHARACTERS: usize = 1_000;
/// Steps of a candidate; a restore tells all.
const MAX_STEPS: usize = 5;
/// Other tasks of a candidate.
const MAX_OTHERS: usize = 5;

/// "3 min ago"; empty for what never was.
fn ago(at: Option<&Timestamp>) -> String {
    at.map_or_else(String::new, |_| phrases::ago(at))
}

/// A checkpoint by its id and number.
pub(crate) fn checkpoint(checkpoint: &Checkpoint) -> Value {
    json!({"checkpoint_id": checkpoint.id, "number": checkpoint.number})
}

/// A checkpoint of the answer's session, which its number names.
pub(crate) fn number(checkpoint: &Checkpoint) -> Value {
    json!({"number": checkpoint.number})
}

/// The answer's own session.
pub(crate) fn session(session: &Session) -> Facts {
    let mut others = session_tasks::open(session);
    others.retain(|task| task.checkpoint_number != session.head_number);
    let others: Vec<Value> = others.iter().take(MAX_OTHERS).map(session_task).collect();
    Facts::new()
        .set("status", words::session_status(session.status()))
        .set_some("attached", session.attached)
        .set_some("title", session.title.as_str())
        .set_some(
            "current_task",
            one_line(&session.current_task, MAX_TASK_CHARACTERS),
        )
        .set("progress", rounded(session.progress))
        .set_some("open_steps", session.open_steps)
        .set("checkpoints", session.head_number)
        .set_some("last_saved", ago(session.last_checkpoint_at.as_ref()))
        .set("project", session.project.as_str())
        .set_some(
            "interruption",
            session.interruption.as_ref().map(interruption),
        )
        .set_some("other_open_tasks", others)
}

/// A session among others.
pub(crate) fn listed_session(listed: &Session, own: Option<&str>) -> Value {
    let facts = named(Facts::new(), "session_id", &listed.id, own);
    let risk = match listed.risk_level() {
        RiskLevel::Unspecified | RiskLevel::Safe => "",
        raised => words::risk_level(raised),
    };
    facts
        .and(session(listed))
        .set_some("risk_level", risk)
        .into()
}

/// The checkpoints of a session, with the task where it is not the session's own.
pub(crate) fn checkpoints(session: &Session, checkpoints: &[Checkpoint]) -> Vec<Value> {
    checkpoints
        .iter()
        .map(|checkpoint| {
            let task = one_line(&checkpoint.current_task, MAX_TASK_CHARACTERS);
            let own = one_line(&session.current_task, MAX_TASK_CHARACTERS);
            Facts::new()
                .set("number", checkpoint.number)
                .set("saved", phrases::ago(checkpoint.created_at.as_ref()))
                .set_unless(
                    "manual",
                    "trigger",
                    words::checkpoint_trigger(checkpoint.trigger()),
                )
                .set("progress", rounded(checkpoint.progress))
                .set_unless(&own, "current_task", &task)
                .set_some("thinned", checkpoint.thinned_at.is_some())
                .into()
        })
        .collect()
}

/// A task of a session.
pub(crate) fn session_task(task: &SessionTask) -> Value {
    Facts::new()
        .set("task_key", task.task_key.as_str())
        .set_unless(
            &task.task_key,
            "current_task",
            &one_line(&task.current_task, MAX_TASK_CHARACTERS),
        )
        .set("progress", rounded(task.progress))
        .set_some("open_steps", task.open_steps)
        .set("checkpoint", task.checkpoint_number)
        .into()
}

fn interruption(interruption: &Interruption) -> Value {
    Facts::new()
        .set("cause", words::interruption_cause(interruption.cause()))
        .set("confidence", rounded(interruption.confidence))
        .set_some("evidence", interruption.evidence.as_str())
        .into()
}

/// What can be brought back.
pub(crate) fn candidate(candidate: &RecoveryCandidate) -> Value {
    let session = candidate.session.clone().unwrap_or_default();
    let other_project = match candidate.same_project {
        true => "",
        false => session.project.as_str(),
    };
    let seconds = |span| time::duration(span).map_or(0, |span| span.as_secs());
    let is_closed = session.interruption.as_ref().map(Interruption::cause)
        == Some(InterruptionCause::ClientClosed);
    let unsaved = match is_closed {
        true => 0,
        false => seconds(candidate.unsaved),
    };
    let certainty = words::confidence(candidate.confidence);
    Facts::new()
        .set("session_id", session.id.as_str())
        .set("same_project", candidate.same_project)
        .set_some("project", other_project)
        .and(left_work(candidate))
        .set_some(
            "interruption",
            session.interruption.as_ref().map(interruption),
        )
        .set("age_seconds", seconds(candidate.age))
        .set_some("unsaved_seconds", unsaved)
        .set("confidence", rounded(candidate.confidence))
        .set("confidence_in_words", certainty)
        .into()
}

/// The task that a restore goes on with, its next steps, and the tasks beside it.
fn left_work(candidate: &RecoveryCandidate) -> Facts {
    let checkpoint = candidate.checkpoint.clone().unwrap_or_default();
    let first = candidate.tasks.first().and_then(|open| open.task.as_ref());
    let (task, progress) = match first {
        Some(task) => (task.current_task.as_str(), task.progress),
        None => (checkpoint.current_task.as_str(), checkpoint.progress),
    };
    let steps = candidate.next_steps.iter().take(MAX_STEPS);
    let steps: Vec<String> = steps
        .map(|step| one_line(step, MAX_STEP_CHARACTERS))
        .collect();
    let others = candidate.tasks.iter().skip(1).take(MAX_OTHERS);
    let others: Vec<Value> = others.map(other_task).collect();
    Facts::new()
        .set("current_task", one_line(task, MAX_STEP_CHARACTERS))
        .set("progress", rounded(progress))
        .set_some("checkpoint", number_if_any(&checkpoint))
        .set_some("next_steps", steps)
        .set_some("other_tasks", others)
}

fn number_if_any(checkpoint: &Checkpoint) -> Option<Value> {
    (checkpoint.number > 0).then(|| number(checkpoint))
}

fn other_task(open: &OpenTask) -> Value {
    session_task(&open.task.clone().unwrap_or_default())
}

/// What a checkpoint said, and whether it holds.
pub(crate) fn claims<'a>(claims: impl IntoIterator<Item = &'a Claim>) -> Vec<Value> {
    let claims = claims.into_iter();
    claims
        .map(|claim| {
            Facts::new()
                .set("kind", words::claim_kind(claim.kind()))
                .set("subject", claim.subject.as_str())
                .set("verdict", words::claim_verdict(claim.verdict()))
                .set_some("detail", one_line(&claim.detail, MAX_STEP_CHARACTERS))
                .into()
        })
        .collect()
}

/// What it said of files and repository that does not hold any more.
pub(crate) fn lost_claims(all: &[Claim]) -> Vec<Value> {
    let is_lost = |claim: &&Claim| {
        claim.kind() != ClaimKind::Step
            && matches!(
                claim.verdict(),
                ClaimVerdict::Changed | ClaimVerdict::Missing
            )
    };
    claims(all.iter().filter(is_lost))
}

/// The files of a save that are not there as they should be.
pub(crate) fn moved_files(files: &[FileState]) -> Vec<Value> {
    let is_moved = |file: &&FileState| file.presence() != FilePresence::Present;
    let moved = files.iter().filter(is_moved);
    moved
        .map(|file| json!({"path": file.path, "presence": words::file_presence(file.presence())}))
        .collect()
}

/// A checkpoint that a search found.
pub(crate) fn hit(hit: &SearchHit, own: Option<&str>) -> Value {
    let checkpoint = hit.checkpoint.clone().unwrap_or_default();
    let facts = Facts::new().set("checkpoint_id", checkpoint.id);
    let task = one_line(&checkpoint.current_task, MAX_TASK_CHARACTERS);
    named(facts, "session_id", &checkpoint.session_id, own)
        .set("number", checkpoint.number)
        .set("current_task", task)
        .set("progress", rounded(checkpoint.progress))
        .set("saved", phrases::ago(checkpoint.created_at.as_ref()))
        .set("snippet", one_line(&hit.snippet, MAX_SNIPPET_CHARACTERS))
        .set("project", hit.project.as_str())
        .into()
}

/// How near a session is to its end, with what raised it.
pub(crate) fn assessment(assessment: &RiskAssessment) -> Facts {
    let raised = assessment.factors.iter();
    let raised = raised.filter(|factor| factor.zone() > RiskLevel::Safe);
    let raised: Vec<Value> = raised.map(factor).collect();
    Facts::new()
        .set("level", words::risk_level(assessment.level()))
        .set_some("risk", rounded(assessment.risk))
        .set_some("factors", raised)
}

fn factor(factor: &RiskFactor) -> Value {
    json!({
        "name": factor.name,
        "value": rounded(factor.value),
        "limit": rounded(factor.limit),
        "unit": factor.unit,
        "zone": words::risk_level(factor.zone()),
    })
}

/// A worker among others, with what it is at.
pub(crate) fn listed_worker(listed: &Worker, running: &[Task], own: Option<&str>) -> Value {
    let tasks = running.iter();
    let tasks = tasks.filter(|task| task.worker_id == listed.worker_id);
    let tasks: Vec<Value> = tasks.map(running_task).collect();
    let heard = time::moment(listed.last_heartbeat_at.as_ref());
    let heard = heard.map_or_else(String::new, |at| time::ago(at, SystemTime::now()));
    named(Facts::new(), "worker_id", &listed.worker_id, own)
        .and(worker(listed))
        .set_some("heard", heard)
        .set_some("tasks", tasks)
        .into()
}

fn running_task(task: &Task) -> Value {
    json!({
        "task_id": task.task_id,
        "goal": one_line(&task.goal, MAX_TASK_CHARACTERS),
        "progress": rounded(task.progress),
    })
}

/// The answer's own session as a worker.
pub(crate) fn worker(worker: &Worker) -> Facts {
    let healthy = words::worker_health(WorkerHealth::Healthy);
    let unfit_until = time::rfc3339(worker.unfit_until.as_ref());
    Facts::new()
        .set_some("name", worker.name.as_str())
        .set("kind", words::worker_kind(worker.kind()))
        .set("state", words::worker_state(worker.state()))
        .set_unless(healthy, "health", words::worker_health(worker.health()))
        .set_some("detail", worker.detail.as_str())
        .set_some("unfit_until", unfit_until)
        .set_some("capabilities", worker.capabilities.clone())
        .set("running", worker.running)
        .set("capacity", worker.capacity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_names_its_task_only_if_it_is_another_one() {
        let session = Session {
            current_task: "write the parser".into(),
            ..Session::default()
        };
        let of = |number, task: &str| Checkpoint {
            number,
            current_task: task.into(),
            ..Checkpoint::default()
        };
        let told = checkpoints(&session, &[of(2, "write the parser"), of(1, "plan")]);
        assert_eq!(told[0].get("current_task"), None);
        assert_eq!(told[1]["current_task"], "plan");
    }

    #[test]
    fn only_what_does_not_hold_any_more_is_told_of_claims() {
        let of = |kind: ClaimKind, verdict: ClaimVerdict| Claim {
            kind: kind.into(),
            verdict: verdict.into(),
            subject: format!("{kind:?} {verdict:?}"),
            ..Claim::default()
        };
        let claims = [
            of(ClaimKind::File, ClaimVerdict::Unchanged),
            of(ClaimKind::File, ClaimVerdict::Changed),
            of(ClaimKind::Step, ClaimVerdict::Open),
        ];
        let lost = lost_claims(&claims);
        assert_eq!(
            lost,
            [json!({"kind": "file", "subject": "File Changed", "verdict": "changed"})]
        );
        assert_eq!(super::claims(&claims).len(), 3);
    }
}
