//! The content of a checkpoint that the service saves by itself: what was told stays as it was told, and what was observed
//! stands beside it.

use shim_proto::checkpoint::v1::{
    CheckpointState, FileState, ObservedState, PlanStep, PlanStepStatus, Session, SessionTask,
    TurnOutcome,
};
use shim_render::session_tasks::{OBSERVED_TASK, is_open, listed};
use shim_render::text::cut_bytes;
use shim_sqlite::to_unix_micros;

use super::{Observation, micros};

/// The first lines of a prompt, which stand for the task until the model tells one.
const MAX_TASK_BYTES: usize = 1_000;
/// Stands for a prompt that was not seen, or holds nothing to read.
const NO_PROMPT: &str = "(no prompt was seen)";

/// The told task that observed work belongs to: the one saved last. Work that goes on by a newer prompt after it was
/// finished is not part of it, until the model tells a task again.
pub(crate) fn told_task<'a>(
    session: &'a Session,
    tasks: &'a [SessionTask],
    observation: &Observation,
) -> Option<&'a SessionTask> {
    let told = tasks
        .first()
        .filter(|task| task.task_key != OBSERVED_TASK)?;
    let saved = to_unix_micros(
        told.saved_at
            .as_ref()
            .or(session.last_checkpoint_at.as_ref()),
    );
    let saved = saved.map_or(0, |at| at.0);
    let goes_on = is_open(told) || observation.times.prompted <= saved;
    goes_on.then_some(told)
}

/// The session's tasks, the one saved last first.
pub(crate) fn tasks(session: &Session) -> Vec<SessionTask> {
    listed(session).into_owned()
}

/// The told state, which checkpoint `number` holds, with what was observed.
pub(crate) fn beside_told(
    told: CheckpointState,
    number: u64,
    observation: &Observation,
) -> CheckpointState {
    let mut state = told;
    for file in &mut state.active_files {
        if file.seen_at_number == 0 {
            file.seen_at_number = number;
        }
    }
    state.observed = Some(observation.shown());
    state
}

/// The state of a session whose model told no task.
pub(crate) fn observed_only(observation: &Observation) -> CheckpointState {
    let observed = observation.shown();
    let steps = |done: bool| -> Vec<String> {
        let of = |step: &&PlanStep| (step.status() == PlanStepStatus::Done) == done;
        let steps = observed.plan.iter().filter(of);
        steps.map(|step| step.text.clone()).collect()
    };
    let file = |path: &String| FileState {
        path: path.clone(),
        ..FileState::default()
    };
    let edited = observed.edited_files.iter().map(|edited| &edited.path);
    CheckpointState {
        current_task: task_text(&observed),
        task_key: OBSERVED_TASK.into(),
        is_task_observed: true,
        progress: if is_done(&observed, observation) {
            1.0
        } else {
            0.0
        },
        next_steps: steps(false),
        completed_steps: steps(true),
        active_files: edited.map(file).collect(),
        summary: match observed.compaction_summary.is_empty() {
            true => observed.last_answer.clone(),
            false => observed.compaction_summary.clone(),
        },
        observed: Some(observed),
        ..CheckpointState::default()
    }
}

/// The beginning of the last prompt.
fn task_text(observed: &ObservedState) -> String {
    let prompt = observed.last_prompt.trim();
    match prompt.is_empty() {
        true => NO_PROMPT.to_owned(),
        false => cut_bytes(prompt, MAX_TASK_BYTES).into_owned(),
    }
}

/// The work is known to be done only if the turn ended well and the model's own list for this prompt says so.
fn is_done(observed: &ObservedState, observation: &Observation) -> bool {
    let times = &observation.times;
    let is_of_prompt = times.plan_changed >= times.prompted;
    let all_done = observed.plan.iter().all(is_step_done) && !observed.plan.is_empty();
    let ended_well = !observed.is_in_turn
        && micros(observed.prompted_at.as_ref()) <= times.turn_ended
        && observed.last_turn_outcome() == TurnOutcome::Completed;
    is_of_prompt && all_done && ended_well && observed.open_tool_calls.is_empty()
}

fn is_step_done(step: &PlanStep) -> bool {
    step.status() == PlanStepStatus::Done
}
