//! What was observed of a session, as fields of `shim sessions show`.

use std::io;
use std::time::SystemTime;

use shim_proto::checkpoint::v1::{CheckpointState, ObservedState};
use shim_render::observed::{
    call_line, edited_phrase, end_phrase, of_state, open_plan, turn_failure,
};
use shim_render::text::{entry, one_line};

use crate::output::fields::Fields;

/// Edited files that are named.
const MAX_FILES: usize = 8;
const MAX_STEP_CHARACTERS: usize = 1_000;
const MAX_TEXT_CHARACTERS: usize = 400;

/// What the checkpoint holds that its model did not tell; nothing if that is nothing.
pub(super) fn fields(state: &CheckpointState, fields: &mut Fields<'_>) -> io::Result<()> {
    let Some(seen) = of_state(state) else {
        return Ok(());
    };
    fields.line("observed", standing(seen))?;
    prompt(state, seen, fields)?;
    let calls = seen.open_tool_calls.iter().rev();
    let calls = calls.map(|call| call_line(call, Some(SystemTime::now())));
    list("in hand", calls, fields)?;
    if !seen.edited_files.is_empty() {
        let edited = edited_phrase(&seen.edited_files, &seen.cwd, MAX_FILES);
        fields.line("edited", edited)?;
    }
    if !state.is_task_observed {
        let plan = open_plan(seen).into_iter();
        list(
            "own list",
            plan.map(|step| entry(step, MAX_STEP_CHARACTERS)),
            fields,
        )?;
    }
    fields.optional("answer", &seen.last_answer, MAX_TEXT_CHARACTERS)
}

/// How much was seen, and how it stands.
fn standing(seen: &ObservedState) -> String {
    let mut text = format!(
        "{} prompt(s), {} tool call(s), {} failed, {} compaction(s)",
        seen.prompts, seen.tool_calls, seen.tool_failures, seen.compactions
    );
    if let Some(failure) = turn_failure(seen) {
        text.push_str(&format!("; the last turn failed: {failure}"));
    } else if seen.is_in_turn {
        text.push_str("; in the middle of a turn");
    }
    if seen.ended.is_some() {
        text.push_str(&format!("; {}", end_phrase(seen.ended())));
    }
    text
}

/// The last prompt, unless it is shown as the task.
fn prompt(
    state: &CheckpointState,
    seen: &ObservedState,
    fields: &mut Fields<'_>,
) -> io::Result<()> {
    match state.is_task_observed {
        true => Ok(()),
        false => fields.optional(
            "prompt",
            &one_line(&seen.last_prompt, MAX_TEXT_CHARACTERS),
            MAX_TEXT_CHARACTERS,
        ),
    }
}

fn list(
    name: &str,
    items: impl Iterator<Item = String>,
    fields: &mut Fields<'_>,
) -> io::Result<()> {
    for (index, item) in items.enumerate() {
        let name = if index == 0 { name } else { "" };
        fields.line(name, format_args!("- {item}"))?;
    }
    Ok(())
}
