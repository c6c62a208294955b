//! The prompt that work goes on from: what was known, what checking it showed, what is left to do.
//!
//! The prompt states facts, not orders, and proposes only open steps. It stays within [`MAX_PROMPT_BYTES`] for every
//! checkpoint: of a long list it drops the middle and says how much. No line of a checkpoint's text can pass for a
//! line of the prompt.

use std::fmt::Write;
use std::time::Duration;

use shim_proto::checkpoint::v1::{
    Checkpoint, CheckpointState, Claim, ClaimKind, ClaimVerdict as Verdict, Interruption,
    InterruptionCause, OpenTask,
};

use crate::figures::percent;
use crate::session_tasks;
use crate::text::{cut_bytes, indented};
use crate::time::span;

/// The longest prompt.
pub const MAX_PROMPT_BYTES: usize = 32 * 1024;

const MAX_ITEMS: usize = 40;
const MAX_ITEM_BYTES: usize = 400;
const MAX_TASK_BYTES: usize = 4 * MAX_ITEM_BYTES;
const MAX_SUMMARY_BYTES: usize = 6_000;

/// The reader of the prompt.
#[derive(Debug, Clone, Copy)]
pub enum Reader<'a> {
    /// The session of the checkpoint, restored.
    SameSession {
        /// What interrupted the session, if anything did.
        interruption: Option<&'a Interruption>,
        /// The numbers of newer checkpoints that are damaged.
        damaged: &'a [u64],
    },
    /// Another worker that goes on with the task.
    NextWorker,
}

/// What the prompt is made of.
#[derive(Debug, Clone, Copy)]
pub struct PromptInput<'a> {
    /// The checkpoint's header.
    pub checkpoint: &'a Checkpoint,
    /// The checkpoint's content.
    pub state: &'a CheckpointState,
    /// The verdicts on that content, from [`crate::verification::verify_claims`].
    pub claims: &'a [Claim],
    /// The time since the checkpoint was saved; `None` if it is unknown.
    pub age: Option<Duration>,
    /// The session's other unfinished tasks.
    pub others: &'a [OpenTask],
    /// The reader.
    pub reader: Reader<'a>,
}

/// Writes the prompt.
#[must_use]
pub fn build_prompt(input: &PromptInput<'_>) -> String {
    let mut text = String::new();
    write_heading(&mut text, input);
    let state = input.state;
    write_section(&mut text, "Decisions taken", &state.decisions);
    write_section(
        &mut text,
        "Finished (do not repeat)",
        &state.completed_steps,
    );
    write_section(&mut text, "Open steps, in order", &open_steps(input.claims));
    write_section(
        &mut text,
        "Left open when the task was saved as finished (nobody said that they were done)",
        &state.left_open_steps,
    );
    write_taken_back(&mut text, state);
    write_section(&mut text, "Blockers", &state.blockers);
    write_section(
        &mut text,
        "Files and repository, checked just now",
        &checked_items(input.claims),
    );
    if !state.summary.is_empty() {
        let summary = quoted(&state.summary, MAX_SUMMARY_BYTES);
        let _ = write!(text, "\n## Summary, as it was given last\n{summary}\n");
    }
    let others: Vec<String> = input.others.iter().map(other_task).collect();
    write_section(&mut text, "Other unfinished tasks of this session", &others);
    write_closing(&mut text, input.claims);
    cut_bytes(&text, MAX_PROMPT_BYTES).into_owned()
}

fn write_heading(text: &mut String, input: &PromptInput<'_>) {
    let title = match input.reader {
        Reader::SameSession { .. } => "Resumed session",
        Reader::NextWorker => "What an earlier worker left of this task",
    };
    let checkpoint = input.checkpoint;
    let _ = writeln!(
        text,
        "# {title}\n\nTask: {}",
        quoted(&input.state.current_task, MAX_TASK_BYTES)
    );
    let saved = match input.age {
        Some(age) => format!("saved {} ago", span(age)),
        None => "saved".to_owned(),
    };
    let _ = writeln!(
        text,
        "Progress: {}, {saved} as checkpoint {} of session {}.",
        percent(input.state.progress),
        checkpoint.number,
        checkpoint.session_id
    );
    if let Reader::SameSession {
        interruption,
        damaged,
    } = input.reader
    {
        write_loss(text, interruption, damaged);
    }
}

/// What the session lost: its process, and newer checkpoints.
fn write_loss(text: &mut String, interruption: Option<&Interruption>, damaged: &[u64]) {
    if let Some(interruption) = interruption {
        let _ = writeln!(
            text,
            "The session was interrupted: {} ({} sure; {}).",
            cause_phrase(interruption.cause()),
            percent(interruption.confidence),
            interruption.evidence
        );
    }
    if !damaged.is_empty() {
        let _ = writeln!(
            text,
            "Newer checkpoints {damaged:?} are damaged and were passed over."
        );
    }
}

/// How much was planned or decided once and does not hold any more. The words are left out: none of it is to be done.
fn write_taken_back(text: &mut String, state: &CheckpointState) {
    let (decisions, steps) = (state.retracted_decisions.len(), state.dropped_steps.len());
    if decisions + steps > 0 {
        let _ = writeln!(
            text,
            "\nNot listed, since they do not hold any more: {decisions} decision(s) taken back, {steps} step(s) not \
             planned any more; the checkpoint keeps them."
        );
    }
}

/// A task beside the one of the prompt, with the way to it.
fn other_task(other: &OpenTask) -> String {
    let task = other.task.clone().unwrap_or_default();
    let next = match other.next_steps.as_slice() {
        [] => String::new(),
        steps => format!("; next: {}", steps.join("; ")),
    };
    format!(
        "{}, checkpoint {}{next}",
        session_tasks::phrase(&task),
        task.checkpoint_number
    )
}

/// What was compared and how it stands: no more than that is claimed.
fn write_closing(text: &mut String, claims: &[Claim]) {
    let count = |wanted: fn(&Claim) -> bool| claims.iter().filter(|claim| wanted(claim)).count();
    let moved = count(has_moved);
    let unchanged = count(|claim| claim.verdict() == Verdict::Unchanged);
    let unchecked = match count(|claim| claim.verdict() == Verdict::Unchecked) {
        0 => String::new(),
        unchecked => format!("; {unchecked} could not be checked"),
    };
    let _ = match (moved, unchanged) {
        (0, 0) if unchecked.is_empty() => writeln!(
            text,
            "\nNothing was checked: the checkpoint names no file and no commit to compare."
        ),
        (0, 0) => writeln!(text, "\nNothing was compared{unchecked}."),
        (0, same) => writeln!(
            text,
            "\nOf what the checkpoint recorded, {same} thing(s) were compared and are as they were{unchecked}. Nothing \
             else was looked at."
        ),
        (moved, _) => writeln!(
            text,
            "\n{moved} thing(s) moved since the checkpoint{unchecked}: read them again before relying on them."
        ),
    };
}

fn has_moved(claim: &Claim) -> bool {
    matches!(claim.verdict(), Verdict::Changed | Verdict::Missing)
}

/// What ended the session, for people: "killed", "closed by its client".
fn cause_phrase(cause: InterruptionCause) -> &'static str {
    match cause {
        InterruptionCause::Unspecified => "cause unknown",
        InterruptionCause::ClientClosed => "closed by its client",
        InterruptionCause::Killed => "killed",
        InterruptionCause::OutOfMemory => "out of memory",
        InterruptionCause::Reboot => "machine restarted",
        InterruptionCause::LeaseExpired => "lease expired",
    }
}

fn open_steps(claims: &[Claim]) -> Vec<String> {
    let open = |claim: &&Claim| claim.kind() == ClaimKind::Step && claim.verdict() == Verdict::Open;
    claims
        .iter()
        .filter(open)
        .map(|claim| claim.subject.clone())
        .collect()
}

/// Files and git with their verdicts: first what moved, then what is unchecked, then what is unchanged.
fn checked_items(claims: &[Claim]) -> Vec<String> {
    let rank = |claim: &Claim| match claim.verdict() {
        Verdict::Changed | Verdict::Missing => Some(0),
        Verdict::Unchecked => Some(1),
        Verdict::Unchanged => Some(2),
        Verdict::Unspecified | Verdict::Done | Verdict::Open => None,
    };
    let checked = claims
        .iter()
        .filter(|claim| claim.kind() != ClaimKind::Step);
    let mut ranked: Vec<(u8, &Claim)> = checked
        .filter_map(|claim| Some((rank(claim)?, claim)))
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked
        .into_iter()
        .map(|(_, claim)| {
            let verdict = verdict_phrase(claim.verdict());
            format!("{}: {verdict} ({})", claim.subject, claim.detail)
        })
        .collect()
}

/// A verdict for the prompt; capitals where the reader must look.
fn verdict_phrase(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unspecified | Verdict::Unchecked => "unchecked",
        Verdict::Unchanged => "unchanged",
        Verdict::Changed => "CHANGED",
        Verdict::Missing => "MISSING",
        Verdict::Done => "done",
        Verdict::Open => "open",
    }
}

fn write_section(text: &mut String, title: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    let _ = write!(text, "\n## {title}\n");
    // Steps and checks matter from the front, decisions and finished steps from the back: both ends stay.
    let left_out = items.len().saturating_sub(MAX_ITEMS);
    let gap = MAX_ITEMS / 2..MAX_ITEMS / 2 + left_out;
    for (index, item) in items.iter().enumerate() {
        if left_out > 0 && index == gap.start {
            let _ = writeln!(text, "- ... {left_out} more in the checkpoint ...");
        }
        if !gap.contains(&index) {
            let _ = writeln!(text, "- {}", quoted(item, MAX_ITEM_BYTES));
        }
    }
}

/// A text of the checkpoint within `max` bytes, its later lines indented.
fn quoted(text: &str, max: usize) -> String {
    cut_bytes(&indented(&cut_bytes(text, max)), max).into_owned()
}

#[cfg(test)]
#[path = "resume_prompt_tests.rs"]
mod tests;
