//! Recovery candidates in words, for the tool and the prompt alike.

use shim_proto::checkpoint::v1::RecoveryCandidate;
use shim_render::figures::percent;
use shim_render::text::one_line;
use shim_render::{time, words};

const MAX_TASK_CHARACTERS: usize = 120;
const MAX_STEP_CHARACTERS: usize = 100;

/// The candidates as a list with the way to bring one back.
pub(crate) fn list(candidates: &[RecoveryCandidate], project: &str) -> String {
    if candidates.is_empty() {
        return format!("No interrupted work is waiting (project {project}).");
    }
    let here = candidates
        .iter()
        .filter(|candidate| candidate.same_project)
        .count();
    let mut text = format!(
        "{} interrupted session(s) with unfinished work, {here} of project {project}:",
        candidates.len()
    );
    for (index, candidate) in candidates.iter().enumerate() {
        text.push_str(&format!("\n{}. {}", index + 1, line(candidate)));
    }
    text.push_str("\naction=restore with a session_id brings one back; action=dismiss takes it off this list.");
    text
}

/// One candidate in a line.
pub(crate) fn line(candidate: &RecoveryCandidate) -> String {
    let (Some(session), Some(checkpoint)) = (&candidate.session, &candidate.checkpoint) else {
        return "a session the service did not describe".to_owned();
    };
    let interruption = session.interruption.clone().unwrap_or_default();
    let age = candidate
        .age
        .and_then(|age| std::time::Duration::try_from(age).ok())
        .unwrap_or_default();
    let mut line = format!(
        "{} ({} done; {}, {} ago; confidence {}; checkpoint {}) session_id={}",
        one_line(&checkpoint.current_task, MAX_TASK_CHARACTERS),
        percent(checkpoint.progress),
        words::interruption_cause(interruption.cause()).replace('_', " "),
        time::span(age),
        percent(candidate.confidence),
        checkpoint.number,
        session.id,
    );
    if !candidate.same_project {
        line.push_str(&format!(" project={}", session.project));
    }
    if let Some(next) = candidate.next_steps.first() {
        line.push_str(&format!(" next: {}", one_line(next, MAX_STEP_CHARACTERS)));
    }
    line
}
