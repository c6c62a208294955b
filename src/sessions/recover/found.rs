//! What a recovery found, and how to bring it back.

use std::io::{self, Write};

use shim_proto::checkpoint::v1::{
    EditedFile, GetObservationResponse, GetSessionResponse, ObservedState, OpenToolCall, PlanStep,
    PlanStepStatus, ReportEventsResponse, Session, SessionStatus,
};
use shim_render::figures::count;
use shim_render::text::{entry, short_id};

use crate::output::fields::Fields;
use crate::output::time::ago;

/// Columns of the names of fields.
const NAME_WIDTH: usize = 11;
const TEXT_WIDTH: usize = 400;
const ITEM_WIDTH: usize = 160;
/// Files, calls and steps that are shown.
const SHOWN: usize = 10;

pub(super) fn print(
    session: &GetSessionResponse,
    observed: &GetObservationResponse,
    reported: &ReportEventsResponse,
    out: &mut dyn Write,
) -> io::Result<()> {
    let session = session.session.clone().unwrap_or_default();
    let state = observed.state.clone().unwrap_or_default();
    let known = u64::from(reported.repeated);
    writeln!(
        out,
        "session {}: {} taken from the transcript{}",
        short_id(&session.id),
        count(u64::from(reported.kept), "event"),
        if known > 0 {
            format!(", {known} known before")
        } else {
            String::new()
        }
    )?;
    facts(&session, &state, out)?;
    writeln!(out)?;
    writeln!(out, "{}", next_step(&session))
}

fn facts(session: &Session, state: &ObservedState, out: &mut dyn Write) -> io::Result<()> {
    let mut fields = Fields::new(NAME_WIDTH, out);
    fields.optional("project", &session.project, TEXT_WIDTH)?;
    fields.optional("last prompt", &state.last_prompt, TEXT_WIDTH)?;
    if state.prompted_at.is_some() {
        fields.line("given", ago(state.prompted_at.as_ref()))?;
    }
    items(
        &mut fields,
        "edited",
        &state.edited_files,
        |file: &EditedFile| file.path.clone(),
    )?;
    items(&mut fields, "open call", &state.open_tool_calls, open_call)?;
    let open: Vec<PlanStep> = state
        .plan
        .iter()
        .filter(|step| is_open(step))
        .cloned()
        .collect();
    items(&mut fields, "open step", &open, |step: &PlanStep| {
        step.text.clone()
    })?;
    fields.optional("last answer", &state.last_answer, TEXT_WIDTH)?;
    fields.optional("last error", &state.last_turn_error, TEXT_WIDTH)
}

fn items<T>(
    fields: &mut Fields<'_>,
    name: &str,
    all: &[T],
    text: impl Fn(&T) -> String,
) -> io::Result<()> {
    for one in all.iter().take(SHOWN) {
        fields.line(name, entry(&text(one), ITEM_WIDTH))?;
    }
    match all.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => fields.line(name, format_args!("and {more} more")),
        _ => Ok(()),
    }
}

fn open_call(call: &OpenToolCall) -> String {
    let what = format!("{} {}", call.tool_name, call.summary);
    format!(
        "{} (its outcome is unknown: check before it is done again)",
        what.trim()
    )
}

fn is_open(step: &PlanStep) -> bool {
    matches!(
        step.status(),
        PlanStepStatus::Unspecified | PlanStepStatus::Open | PlanStepStatus::InProgress
    )
}

fn next_step(session: &Session) -> String {
    let id = short_id(&session.id);
    match session.status() {
        SessionStatus::Ended => format!(
            "It ended in good order, with nothing open; `shim sessions fork {id}` begins another one from where it stood."
        ),
        SessionStatus::Interrupted if session.dismissed_at.is_some() => format!(
            "It was dismissed and is not offered; `shim sessions restore {id}` prints what it takes to go on."
        ),
        _ => format!(
            "Claude brings it back in the project's folder: ask it to restore session {id} (`/shim:resume`, or shim_check_recovery). \
             `shim sessions restore {id}` prints what it takes to go on."
        ),
    }
}
