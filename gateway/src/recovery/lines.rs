//! Recovery candidates in lines: one for each, and one for many windows that were closed in good order.

use std::time::Duration;

use shim_proto::checkpoint::v1::{Interruption, InterruptionCause, OpenTask, RecoveryCandidate};
use shim_render::figures::percent;
use shim_render::text::{entry, name, one_line};
use shim_render::{time, words};

/// Tasks named in a line for many.
const MAX_NAMED: usize = 5;
const MAX_TASK_CHARACTERS: usize = 120;
const MAX_STEP_CHARACTERS: usize = 100;
const MAX_PROJECT_CHARACTERS: usize = 1_024;
/// Less than this between the last save and the end is not worth a word.
const UNSAVED_WORTH_SAYING: Duration = Duration::from_secs(60);

fn cause(candidate: &RecoveryCandidate) -> InterruptionCause {
    let session = candidate.session.as_ref();
    let interruption = session.and_then(|session| session.interruption.as_ref());
    interruption.map_or(InterruptionCause::Unspecified, Interruption::cause)
}

pub(super) fn is_closed(candidate: &RecoveryCandidate) -> bool {
    cause(candidate) == InterruptionCause::ClientClosed
}

/// One line for the windows that were closed in good order.
pub(super) fn closed_line(closed: &[RecoveryCandidate]) -> String {
    let named = closed_tasks(closed);
    let more = match closed.len() {
        all if all > MAX_NAMED => ", ...",
        _ => "",
    };
    let newest = closed.iter().filter_map(age).min().unwrap_or_default();
    format!(
        "- {} more window(s) were closed in good order with work left, the last one {} ago: {}{more}. Nothing of them \
         was lost.",
        closed.len(),
        time::span(newest),
        named.join(", ")
    )
}

/// The tasks of the first of them, each quoted.
pub(super) fn closed_tasks(closed: &[RecoveryCandidate]) -> Vec<String> {
    closed.iter().take(MAX_NAMED).map(task_name).collect()
}

fn task_name(candidate: &RecoveryCandidate) -> String {
    let task = candidate.tasks.first().and_then(|open| open.task.as_ref());
    let checkpoint = candidate.checkpoint.as_ref();
    let text = task.map(|task| task.current_task.as_str());
    let text = text.or(checkpoint.map(|checkpoint| checkpoint.current_task.as_str()));
    format!(
        "\"{}\"",
        one_line(text.unwrap_or_default(), MAX_TASK_CHARACTERS)
    )
}

fn age(candidate: &RecoveryCandidate) -> Option<Duration> {
    time::duration(candidate.age)
}

/// One candidate in a line.
pub(crate) fn line(candidate: &RecoveryCandidate) -> String {
    let (Some(session), Some(checkpoint)) = (&candidate.session, &candidate.checkpoint) else {
        return "a session the service did not describe".to_owned();
    };
    let task = candidate.tasks.first().and_then(|open| open.task.clone());
    let (text, progress, number) = match &task {
        Some(task) => (&task.current_task, task.progress, task.checkpoint_number),
        None => (
            &checkpoint.current_task,
            checkpoint.progress,
            checkpoint.number,
        ),
    };
    let mut line = format!(
        "{} ({} done; {}, {} ago{}; confidence {}; checkpoint {number}) session_id={}",
        entry(text, MAX_TASK_CHARACTERS),
        percent(progress),
        words::interruption_cause(cause(candidate)).replace('_', " "),
        time::span(age(candidate).unwrap_or_default()),
        lost(candidate),
        words::confidence(candidate.confidence),
        session.id,
    );
    if !candidate.same_project {
        line.push_str(&format!(
            " project={}",
            name(&session.project, MAX_PROJECT_CHARACTERS)
        ));
    }
    if let Some(next) = candidate.next_steps.first() {
        line.push_str(&format!(" next: {}", one_line(next, MAX_STEP_CHARACTERS)));
    }
    line + &other_tasks(candidate)
}

/// The unfinished tasks behind the first.
fn other_tasks(candidate: &RecoveryCandidate) -> String {
    let others = candidate.tasks.iter().skip(1).take(MAX_NAMED);
    let others: Vec<String> = others.map(other_task).collect();
    match others.as_slice() {
        [] => String::new(),
        others => format!(" also unfinished in it: {}", others.join(", ")),
    }
}

fn other_task(open: &OpenTask) -> String {
    let task = open.task.clone().unwrap_or_default();
    let text = one_line(&task.current_task, MAX_TASK_CHARACTERS);
    format!("\"{text}\" ({} done)", percent(task.progress))
}

/// What was lost, if it is worth a word.
fn lost(candidate: &RecoveryCandidate) -> String {
    let unsaved = time::duration(candidate.unsaved).unwrap_or_default();
    if is_closed(candidate) || unsaved < UNSAVED_WORTH_SAYING {
        return String::new();
    }
    format!(", {} after its last save", time::span(unsaved))
}
