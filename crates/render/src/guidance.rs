//! What is said to a model by itself, through its client's hooks: facts, never orders, within [`MAX_GUIDANCE`].
//!
//! A client keeps the text in its history, so it is short, and empty if there is nothing to say. Texts of others stand in
//! one line between quotation marks.

use std::time::{Duration, SystemTime};

use shim_proto::checkpoint::v1::{
    CheckpointState, Interruption, InterruptionCause, OpenToolCall, Session,
};

use crate::figures::percent;
use crate::observed::{call_line, edited_phrase, of_state, open_plan, turn_failure};
use crate::page::Page;
use crate::resume_prompt::cause_phrase;
use crate::text::{cut_weight, one_line};
use crate::time::span;
use crate::verification::open_steps;

/// The longest text, in characters as a JSON string holds them.
pub const MAX_GUIDANCE: usize = 1_500;
/// The longest text behind a compaction: what coordination knows of the session is added to it.
pub const MAX_AT_COMPACTION: usize = 1_000;

const MAX_TASK: usize = 240;
const MAX_OTHER_TASK: usize = 100;
const MAX_STEP: usize = 120;
const MAX_EVIDENCE: usize = 140;
const MAX_CALL: usize = 220;
/// Calls in hand that are named.
const MAX_CALLS: usize = 2;
/// Sessions beside the first that have a line of their own.
const MAX_OTHERS: usize = 2;
/// Edited files that are named.
const MAX_FILES: usize = 3;
/// Decisions, and steps, that are named behind a compaction.
const MAX_ITEMS: usize = 5;

/// Lines of ours within a limit: one that does not fit is left out whole.
struct Lines {
    page: Page,
    max: usize,
}

impl Lines {
    fn within(max: usize) -> Self {
        Self {
            page: Page::default(),
            max,
        }
    }

    fn line(&mut self, line: impl std::fmt::Display) {
        let mut longer = self.page.clone();
        longer.line(line);
        if longer.weight() <= self.max {
            self.page = longer;
        }
    }

    fn into_text(self) -> String {
        self.page.to_string()
    }
}

/// A session that was interrupted.
#[derive(Debug, Clone, Copy)]
pub struct Interrupted<'a> {
    /// The session.
    pub session: &'a Session,
    /// What it would go on with, with what was observed last.
    pub state: &'a CheckpointState,
    /// The time since it was noticed.
    pub age: Duration,
}

/// What was interrupted where a conversation begins, the best first; `more` are not among them.
#[must_use]
pub fn at_start(found: &[Interrupted<'_>], more: usize, now: Option<SystemTime>) -> String {
    let Some((first, others)) = found.split_first() else {
        return String::new();
    };
    let mut page = Lines::within(MAX_GUIDANCE);
    page.line("SHIM: work in this project was interrupted and is unfinished.");
    page.line(format_args!(
        "Session {}: {}, {} ago{}.",
        first.session.id,
        cause(first.session),
        span(first.age),
        evidence(first.session)
    ));
    page.line(format_args!(
        "It comes back, checked against the files, with shim_check_recovery action=restore session_id={} or with \
         /shim:resume.",
        first.session.id
    ));
    write_work(&mut page, first, now);
    for other in others.iter().take(MAX_OTHERS) {
        page.line(format_args!(
            "Also session {}: {}, {} ago: {}.",
            other.session.id,
            cause(other.session),
            span(other.age),
            quoted(&other.state.current_task, MAX_OTHER_TASK)
        ));
    }
    let more = more + others.len().saturating_sub(MAX_OTHERS);
    if more > 0 {
        page.line(format_args!("{more} more; shim_check_recovery lists them."));
    }
    page.into_text()
}

/// What the session worked at, and what was in hand.
fn write_work(page: &mut Lines, one: &Interrupted<'_>, now: Option<SystemTime>) {
    let state = one.state;
    let (told, task) = match state.is_task_observed {
        true => (
            "Task (observed, the last prompt)",
            quoted(&state.current_task, MAX_TASK),
        ),
        false => (
            "Task",
            format!(
                "{}, {} done",
                quoted(&state.current_task, MAX_TASK),
                percent(state.progress)
            ),
        ),
    };
    page.line(format_args!("{told}: {task}."));
    if let Some(seen) = of_state(state) {
        if let Some(line) = calls_line(&seen.open_tool_calls, now) {
            page.line(line);
        }
        if !seen.edited_files.is_empty() {
            let edited = edited_phrase(&seen.edited_files, &seen.cwd, MAX_FILES);
            page.line(format_args!("Edited files (observed): {edited}."));
        }
        if let Some(failure) = turn_failure(seen) {
            page.line(format_args!("The last turn failed (observed): {failure}."));
        }
    }
    if let Some(next) = open_steps(state).first() {
        page.line(format_args!("Next open step: {}.", quoted(next, MAX_STEP)));
    }
}

/// The calls of tools whose end nobody saw, the latest first, in a line; `None` if there is none.
fn calls_line(calls: &[OpenToolCall], now: Option<SystemTime>) -> Option<String> {
    let named: Vec<String> = calls
        .iter()
        .rev()
        .take(MAX_CALLS)
        .map(|call| cut_weight(&call_line(call, now), MAX_CALL).into_owned())
        .collect();
    let more = match calls.len().saturating_sub(named.len()) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let named = (!named.is_empty()).then(|| named.join("; "))?;
    Some(format!(
        "In hand at the end (observed), outcome unknown: {named}{more}."
    ))
}

/// What a compaction's summary may lose of what the model told: decisions, and what comes next.
#[must_use]
pub fn at_compaction(state: &CheckpointState, number: u64) -> String {
    let open = open_steps(state);
    let plan = match (open.is_empty(), of_state(state)) {
        (true, Some(seen)) if !state.is_task_observed => open_plan(seen),
        _ => Vec::new(),
    };
    let is_nothing_told =
        open.is_empty() && state.decisions.is_empty() && state.blockers.is_empty();
    if state.is_task_observed || is_nothing_told {
        return String::new();
    }
    let mut page = Lines::within(MAX_AT_COMPACTION);
    page.line(format_args!(
        "SHIM: checkpoint {number} holds what the summary may have lost. Task: {}, {} done.",
        quoted(&state.current_task, MAX_TASK),
        percent(state.progress)
    ));
    let open: Vec<&str> = open.into_iter().map(String::as_str).chain(plan).collect();
    write_list(
        &mut page,
        "Open steps, in order",
        open.iter().copied(),
        open.len(),
    );
    let newest = state.decisions.iter().rev().map(String::as_str);
    write_list(
        &mut page,
        "Decisions, the newest first",
        newest,
        state.decisions.len(),
    );
    let blockers = state.blockers.iter().map(String::as_str);
    write_list(&mut page, "Blockers", blockers, state.blockers.len());
    page.into_text()
}

fn write_list<'a>(page: &mut Lines, name: &str, items: impl Iterator<Item = &'a str>, all: usize) {
    let named: Vec<String> = items
        .take(MAX_ITEMS)
        .map(|item| quoted(item, MAX_STEP))
        .collect();
    let more = match all.saturating_sub(named.len()) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    if !named.is_empty() {
        page.line(format_args!("{name}: {}{more}.", named.join("; ")));
    }
}

/// Who took the work of a conversation over while it was away.
#[derive(Debug, Clone)]
pub struct TakenOver {
    /// The new owner in words of ours.
    pub owner: String,
    /// The number of the newest checkpoint.
    pub head_number: u64,
}

/// What changed while a conversation was away: calls of tools whose outcome is unknown, and who took the work over.
#[must_use]
pub fn at_resume(
    session_id: &str,
    calls: &[OpenToolCall],
    taken_over: Option<&TakenOver>,
    now: Option<SystemTime>,
) -> String {
    let mut page = Lines::within(MAX_GUIDANCE);
    if let Some(taken) = taken_over {
        page.line(format_args!(
            "SHIM: while this conversation was away, {} took over its session {session_id}, which is at checkpoint {} now. \
             A save from here is refused; shim_session_status session_id={session_id} shows where it stands.",
            taken.owner, taken.head_number
        ));
    }
    if let Some(line) = calls_line(calls, now) {
        page.line(format_args!(
            "SHIM: this conversation was interrupted in a call of a tool. {line}"
        ));
    }
    page.into_text()
}

fn cause(session: &Session) -> &'static str {
    let interruption = session.interruption.as_ref();
    cause_phrase(interruption.map_or(InterruptionCause::Unspecified, Interruption::cause))
}

fn evidence(session: &Session) -> String {
    let interruption = session.interruption.as_ref();
    match interruption.map(|interruption| one_line(&interruption.evidence, MAX_EVIDENCE)) {
        Some(evidence) if !evidence.is_empty() => format!(" ({evidence})"),
        _ => String::new(),
    }
}

/// A text of others in one line between quotation marks.
fn quoted(text: &str, max: usize) -> String {
    format!("\"{}\"", one_line(text, max).replace('"', "\\\""))
}

#[cfg(test)]
#[path = "guidance_tests.rs"]
mod tests;
