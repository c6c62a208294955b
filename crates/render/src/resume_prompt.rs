//! The prompt that work goes on from: what was known, what checking it showed, what is left to do.
//!
//! The prompt states facts, not orders, and proposes only open steps.
//!
//! (A) What the checks showed stands first, before any text of the checkpoint, and has room of its own.
//! (B) It stays within [`MAX_PROMPT_BYTES`] for every checkpoint: of a long list it drops the middle. What is left out is
//! said at the beginning, with the place where all of it is.
//! (C) No text of a checkpoint can pass for a line of the prompt: [`Page`] sets off what has several lines.

use std::time::Duration;

use shim_proto::checkpoint::v1::{
    Checkpoint, CheckpointState, Claim, ClaimKind, ClaimVerdict as Verdict, Interruption,
    InterruptionCause, OpenTask,
};

use crate::figures::percent;
use crate::page::Page;
use crate::prompt_sections::{Section, shares};
use crate::session_tasks;
use crate::text::{self, cut_bytes};
use crate::time::span;

/// The longest prompt.
pub const MAX_PROMPT_BYTES: usize = 32 * 1024;

/// Room that files and repository have for themselves.
const CHECKS_BYTES: usize = 12 * 1024;
/// Room for the line that says what was left out.
const LEFT_OUT_BYTES: usize = 1_024;
const MAX_NAME: usize = 400;
const MAX_TASK_BYTES: usize = 1_600;
const MAX_SUMMARY_BYTES: usize = 6_000;
/// Steps of another task that its line names.
const MAX_NEXT_STEPS: usize = 3;
const MAX_NEXT_STEP_CHARACTERS: usize = 100;

/// The reader of the prompt.
#[derive(Debug, Clone, Copy)]
pub enum Reader<'a> {
    /// The session of the checkpoint, restored.
    SameSession {
        /// What interrupted the session, if anything did.
        interruption: Option<&'a Interruption>,
        /// The numbers of newer checkpoints that are damaged or missing.
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
    let mut checks = Page::default();
    let lines = checked_items(input.claims);
    let section = Section::of_lines("Files and repository, checked just now", "checks", &lines);
    let mut left_out: Vec<String> = section
        .write(&mut checks, CHECKS_BYTES)
        .into_iter()
        .collect();

    let (task, is_whole) = task(&input.state.current_task);
    if !is_whole {
        left_out.push("the end of the task".to_owned());
    }
    let mut head = verdict(input);
    let mut own = Page::default();
    write_state(&mut own, input);
    let taken = head.len() + own.len() + task.len() + checks.len() + LEFT_OUT_BYTES;
    let mut body = Page::default();
    let sections = sections(input);
    let needs: Vec<usize> = sections.iter().map(Section::need).collect();
    let shares = shares(&needs, MAX_PROMPT_BYTES.saturating_sub(taken));
    for (section, share) in sections.into_iter().zip(shares) {
        left_out.extend(section.write(&mut body, share));
    }
    if !left_out.is_empty() {
        head.append(&left_out_line(&left_out, input.checkpoint));
    }
    head.append(&own);
    head.gap();
    head.append(&task);
    for part in [&checks, &body].into_iter().filter(|part| !part.is_empty()) {
        head.gap();
        head.append(part);
    }
    let (page, _) = head.cut(MAX_PROMPT_BYTES - 1);
    format!("{page}\n")
}

/// The task, and whether all of it is there.
fn task(current_task: &str) -> (Page, bool) {
    let mut task = Page::default();
    task.field("Task", &cut_bytes(current_task, MAX_TASK_BYTES));
    let (task, is_whole) = task.cut(MAX_TASK_BYTES + MAX_NAME);
    (task, is_whole && current_task.len() <= MAX_TASK_BYTES)
}

/// The title and what the checks showed. No stored text stands before or in it.
fn verdict(input: &PromptInput<'_>) -> Page {
    let mut page = Page::of(match input.reader {
        Reader::SameSession { .. } => "# Resumed session",
        Reader::NextWorker => "# What an earlier worker left of this task",
    });
    page.gap();
    page.line(verdict_sentence(input.claims));
    page
}

/// What is not in the prompt, and where all of it is.
fn left_out_line(left_out: &[String], checkpoint: &Checkpoint) -> Page {
    Page::of(format_args!(
        "Left out here, since it is long: {}. All of it is in the resource shim://checkpoints/{}, and \
         `shim sessions show {} --json` prints it.",
        left_out.join("; "),
        text::name(&checkpoint.id, MAX_NAME),
        text::name(&checkpoint.session_id, MAX_NAME),
    ))
    .cut(LEFT_OUT_BYTES)
    .0
}

/// The lists of the checkpoint in their order.
fn sections(input: &PromptInput<'_>) -> Vec<Section> {
    let state = input.state;
    let others: Vec<String> = input.others.iter().map(other_task).collect();
    vec![
        Section::of_foreign("Decisions taken", "decisions", &state.decisions),
        Section::of_foreign(
            "Finished (do not repeat)",
            "finished steps",
            &state.completed_steps,
        ),
        Section::of_foreign(
            "Open steps, in order",
            "open steps",
            &open_steps(input.claims),
        ),
        Section::of_foreign(
            "Left open when the task was saved as finished (nobody said that they were done)",
            "steps left open",
            &state.left_open_steps,
        ),
        Section::of_foreign("Blockers", "blockers", &state.blockers),
        Section::of_text(
            "Summary, as it was given last",
            "summary",
            &state.summary,
            MAX_SUMMARY_BYTES,
        ),
        Section::of_lines(
            "Other unfinished tasks of this session",
            "other tasks",
            &others,
        ),
    ]
}

/// How far the work was, what the session lost, and what does not hold any more.
fn write_state(page: &mut Page, input: &PromptInput<'_>) {
    let checkpoint = input.checkpoint;
    let saved = match input.age {
        Some(age) => format!("saved {} ago", span(age)),
        None => "saved".to_owned(),
    };
    page.line(format_args!(
        "Progress: {}, {saved} as checkpoint {} of session {}.",
        percent(input.state.progress),
        checkpoint.number,
        text::one_line(&checkpoint.session_id, MAX_NAME)
    ));
    if let Reader::SameSession {
        interruption,
        damaged,
    } = input.reader
    {
        write_loss(page, interruption, damaged);
    }
    write_taken_back(page, input.state);
}

/// What the session lost: its process, and newer checkpoints.
fn write_loss(page: &mut Page, interruption: Option<&Interruption>, damaged: &[u64]) {
    if let Some(interruption) = interruption {
        page.line(format_args!(
            "The session was interrupted: {} ({} sure; {}).",
            cause_phrase(interruption.cause()),
            percent(interruption.confidence),
            text::one_line(&interruption.evidence, MAX_NAME)
        ));
    }
    if !damaged.is_empty() {
        let some: Vec<String> = damaged.iter().take(20).map(u64::to_string).collect();
        let more = match damaged.len().saturating_sub(some.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        page.line(format_args!(
            "Newer checkpoints [{}]{more} are damaged or missing and were passed over.",
            some.join(", ")
        ));
    }
}

/// How much was planned or decided once and does not hold any more. The words are left out: none of it is to be done.
fn write_taken_back(page: &mut Page, state: &CheckpointState) {
    let (decisions, steps) = (state.retracted_decisions.len(), state.dropped_steps.len());
    if decisions + steps > 0 {
        page.line(format_args!(
            "Not listed, since they do not hold any more: {decisions} decision(s) taken back, {steps} step(s) not \
             planned any more; the checkpoint keeps them."
        ));
    }
}

/// A task beside the one of the prompt, with the way to it.
fn other_task(other: &OpenTask) -> String {
    let task = other.task.clone().unwrap_or_default();
    let next = match other.next_steps.as_slice() {
        [] => String::new(),
        steps => {
            let steps: Vec<String> = steps
                .iter()
                .take(MAX_NEXT_STEPS)
                .map(|step| text::one_line(step, MAX_NEXT_STEP_CHARACTERS))
                .collect();
            format!("; next: {}", steps.join("; "))
        }
    };
    format!(
        "{}, checkpoint {}{next}",
        session_tasks::phrase(&task),
        task.checkpoint_number
    )
}

/// What was compared and how it stands: no more than that is claimed.
fn verdict_sentence(claims: &[Claim]) -> String {
    let count = |wanted: fn(&Claim) -> bool| claims.iter().filter(|claim| wanted(claim)).count();
    let moved = count(has_moved);
    let unchanged = count(|claim| claim.verdict() == Verdict::Unchanged);
    let unchecked = match count(|claim| claim.verdict() == Verdict::Unchecked) {
        0 => String::new(),
        unchecked => format!("; {unchecked} could not be checked"),
    };
    match (moved, unchanged) {
        (0, 0) if unchecked.is_empty() => {
            "Nothing was checked: the checkpoint names no file and no commit to compare.".to_owned()
        }
        (0, 0) => format!("Nothing was compared{unchecked}."),
        (0, same) => format!(
            "Of what the checkpoint recorded, {same} thing(s) were compared and are as they were{unchecked}. Nothing \
             else was looked at."
        ),
        (moved, _) => format!(
            "{moved} thing(s) moved since the checkpoint{unchecked}: read them again before relying on them."
        ),
    }
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
        InterruptionCause::UsageLimit => "usage limit reached",
        InterruptionCause::Overloaded => "the API was overloaded",
        InterruptionCause::ContextFull => "context window full",
        InterruptionCause::ApiError => "the API failed",
        InterruptionCause::Terminated => "told to stop",
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
            let subject = text::name(&claim.subject, MAX_NAME);
            match claim.detail.as_str() {
                "" => format!("{subject}: {verdict}"),
                detail => format!(
                    "{subject}: {verdict} ({})",
                    text::one_line(detail, MAX_NAME)
                ),
            }
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

#[cfg(test)]
#[path = "resume_prompt_tests.rs"]
mod tests;
