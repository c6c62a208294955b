//! The prompt that work goes on from: what was known, what checking it showed, what is left to do.
//!
//! The prompt states facts, not orders, and proposes only open steps.
//!
//! (A) What the checks showed stands first, before any text of the checkpoint, and has room of its own. So have the task,
//! the open steps and the calls of tools that were in hand.
//! (B) It stays within [`MAX_PROMPT`] for every checkpoint, as a text and within a JSON document: of what comes next it keeps
//! the first, of all else the newest. What is left out is said at the beginning, with the place where all of it is.
//! (C) No text of a checkpoint can pass for a line of the prompt: [`Page`] sets off what has several lines.
//! (D) What was observed of the client is marked so; all else was told by the model.

use std::time::SystemTime;

use shim_proto::checkpoint::v1::{Checkpoint, CheckpointState, Interruption, InterruptionCause};

use crate::figures::percent;
use crate::observed;
use crate::page::Page;
use crate::prompt_checks::{checked_items, verdict_sentence};
use crate::prompt_parts::{lists, open_calls};
use crate::prompt_sections::{Section, shares};
use crate::text::{self, cut_weight};
use crate::time::{moment, span};

pub use crate::prompt_input::{PromptInput, Reader};

/// The longest prompt, in characters as a JSON string holds them ([`text::weight`]). An answer of a tool with the prompt and
/// its ids stays within 6,000.
pub const MAX_PROMPT: usize = 5_000;

/// Room that files and repository have for themselves.
const CHECKS: usize = 800;
/// Room that the open steps have for themselves.
const NEXT: usize = 800;
/// Room that the calls of tools in hand have for themselves.
const CALLS: usize = 600;
/// Room for the line that says what was left out.
const LEFT_OUT: usize = 420;
const MAX_ID: usize = 64;
const MAX_EVIDENCE: usize = 200;
const MAX_TASK: usize = 600;
const MAX_SHOWN_TASK: usize = MAX_TASK + 60;
/// Numbers of damaged checkpoints that are named.
const MAX_DAMAGED: usize = 10;

/// Writes the prompt.
#[must_use]
pub fn build_prompt(input: &PromptInput<'_>) -> String {
    let mut left_out = Vec::new();
    let mut write = |section: Section, room: usize| {
        let mut page = Page::default();
        left_out.extend(section.write(&mut page, room));
        page
    };
    let lines = checked_items(input.claims);
    let checks = Section::of_lines("Files and repository, checked just now", "checks", &lines);
    let checks = write(checks, CHECKS);
    let calls = write(open_calls(input.state, now(input)), CALLS);

    let (task, is_whole) = task(input.state);
    let mut head = verdict(input);
    let mut own = Page::default();
    write_state(&mut own, input);
    let parts = [&head, &own, &task, &calls, &checks];
    let parts: usize = parts.iter().map(|part| part.weight() + GAP).sum();
    let room = MAX_PROMPT.saturating_sub(parts + LEFT_OUT + 2 * GAP);
    let body = write_lists(input, room, &mut left_out);
    if !is_whole {
        left_out.insert(0, "the end of the task".to_owned());
    }

    if !left_out.is_empty() {
        head.append(&left_out_line(&left_out, input.checkpoint));
    }
    head.append(&own);
    let parts = [&task, &calls, &checks, &body];
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        head.gap();
        head.append(part);
    }
    let (page, _) = head.cut(MAX_PROMPT - 2);
    format!("{page}\n")
}

/// Two ends of lines.
const GAP: usize = 4;

/// The lists within `room`: the open steps have some of their own, and the others share the rest.
fn write_lists(input: &PromptInput<'_>, room: usize, left_out: &mut Vec<String>) -> Page {
    let lists = lists(input);
    let others = lists.before.iter().chain(&lists.after);
    let needs: Vec<usize> = others.map(Section::need).collect();
    let kept = lists.open.need().min(NEXT).min(room);
    let mut shares = shares(&needs, room - kept);
    let unused = room - kept - shares.iter().sum::<usize>();
    shares.insert(lists.before.len(), kept + unused);
    let mut page = Page::default();
    let open = std::iter::once(lists.open);
    let sections = lists.before.into_iter().chain(open).chain(lists.after);
    for (section, share) in sections.zip(shares) {
        left_out.extend(section.write(&mut page, share));
    }
    page
}

/// The present, as far as the time of the checkpoint and its age tell it.
fn now(input: &PromptInput<'_>) -> Option<SystemTime> {
    let saved_at = moment(input.checkpoint.created_at.as_ref())?;
    saved_at.checked_add(input.age?)
}

/// The task, and whether all of it is there.
fn task(state: &CheckpointState) -> (Page, bool) {
    let name = match state.is_task_observed {
        true => "Task (observed, the last prompt)",
        false => "Task",
    };
    let shown = cut_weight(&state.current_task, MAX_TASK);
    let is_whole = shown.len() == state.current_task.len();
    let mut task = Page::default();
    task.field(name, &shown);
    let (task, is_page_whole) = task.cut(MAX_SHOWN_TASK);
    (task, is_whole && is_page_whole)
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
    let place = format!(
        ". All of it is in the resource shim://checkpoints/{}, and `shim sessions show {} --json` prints it.",
        text::name(&checkpoint.id, MAX_ID),
        text::name(&checkpoint.session_id, MAX_ID),
    );
    let list = left_out.join("; ");
    let begin = "Left out here, since it is long: ";
    let room = LEFT_OUT.saturating_sub(text::weight(&place) + begin.len());
    Page::of(format_args!("{begin}{}{place}", cut_weight(&list, room)))
}

/// How far the work was, what the session lost, and what does not hold any more.
fn write_state(page: &mut Page, input: &PromptInput<'_>) {
    let (checkpoint, state) = (input.checkpoint, input.state);
    let saved = match input.age {
        Some(age) => format!("saved {} ago", span(age)),
        None => "saved".to_owned(),
    };
    let progress = match state.is_task_observed {
        true => "not told".to_owned(),
        false => percent(state.progress),
    };
    page.line(format_args!(
        "Progress: {progress}, {saved} as checkpoint {} of session {}.",
        checkpoint.number,
        text::one_line(&checkpoint.session_id, MAX_ID)
    ));
    if let Reader::SameSession {
        interruption,
        damaged,
    } = input.reader
    {
        write_loss(page, interruption, damaged);
    }
    write_taken_back(page, state);
    write_origin(page, state);
}

/// Where the facts come from, and how the last turn stood.
fn write_origin(page: &mut Page, state: &CheckpointState) {
    let Some(seen) = observed::of_state(state) else {
        return;
    };
    page.line(match state.is_task_observed {
        true => "All of it was observed of the client; the model saved nothing by itself.",
        false => {
            "Told by the model when it saved, but for what is marked (observed): that was seen of its client."
        }
    });
    if let Some(failure) = observed::turn_failure(seen) {
        page.line(format_args!("The last turn failed (observed): {failure}."));
    } else if seen.is_in_turn {
        page.line("When it was last seen, a turn was running (observed).");
    }
}

/// What the session lost: its process, and newer checkpoints.
fn write_loss(page: &mut Page, interruption: Option<&Interruption>, damaged: &[u64]) {
    if let Some(interruption) = interruption {
        page.line(format_args!(
            "The session was interrupted: {} ({} sure; {}).",
            cause_phrase(interruption.cause()),
            percent(interruption.confidence),
            text::one_line(&interruption.evidence, MAX_EVIDENCE)
        ));
    }
    if !damaged.is_empty() {
        let some: Vec<String> = damaged
            .iter()
            .take(MAX_DAMAGED)
            .map(u64::to_string)
            .collect();
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

/// What ended the session, for people: "killed", "closed by its client".
pub(crate) fn cause_phrase(cause: InterruptionCause) -> &'static str {
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

#[cfg(test)]
#[path = "resume_prompt_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "resume_prompt_observed_tests.rs"]
mod observed_tests;
