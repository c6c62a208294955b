//! The rules of an observed event. What names something is refused if it is wrong; a text that is too long is cut, and what a
//! line cannot hold is written as an escape, since the client did not choose it.

use std::path::{Component, Path, PathBuf};

use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{
    FileUse, ObservationSource, ObservedEvent, PlanStepStatus, PlanUpdate, SessionEndReason,
    SessionStartSource, ToolOutcome, TurnOutcome, UsageMeasured, UsedFile,
};
use shim_proto::limits::MAX_PATH_BYTES;
use shim_proto::limits::observation::{
    MAX_AHEAD, MAX_ANSWER_BYTES, MAX_COMPACTION_BYTES, MAX_CONVERSATION_BYTES, MAX_FILES,
    MAX_LINE_BYTES, MAX_NAME_BYTES, MAX_PROMPT_BYTES, MAX_STEP_BYTES, MAX_STEPS,
};
use shim_render::text::{cut_bytes, line};
use shim_runtime::service_error;
use shim_sqlite::{UnixMicros, to_unix_micros};

use super::fields::Fields;

/// The event as it is kept.
///
/// # Errors
/// In words, each wrong field with its limit.
pub(crate) fn checked(mut event: ObservedEvent, now: UnixMicros) -> Result<ObservedEvent, String> {
    let mut fields = Fields::default();
    fields.uuid("event_id", &event.event_id);
    time(&mut fields, &event, now);
    fields.required_line("conversation", &event.conversation, MAX_CONVERSATION_BYTES);
    fields.client(event.client.as_ref());
    if let Some(client) = &event.client
        && !client.conversation.is_empty()
        && client.conversation != event.conversation
    {
        fields.refuse(
            "client.conversation",
            "is another one than conversation; leave it out",
        );
    }
    known::<ObservationSource>(&mut fields, "source", event.source);
    event.cwd = path(&mut fields, "cwd", &event.cwd, "");
    if !event.cwd.is_empty() && !event.cwd.starts_with('/') {
        fields.refuse("cwd", "must be an absolute path");
    }
    let cwd = event.cwd.clone();
    event.transcript_path = path(&mut fields, "transcript_path", &event.transcript_path, &cwd);
    fields.line("agent_id", &event.agent_id, MAX_NAME_BYTES);
    match &mut event.event {
        Some(told) => content(&mut fields, told, &cwd),
        None => fields.refuse(
            "event",
            "is missing, or of a kind that this version does not know",
        ),
    }
    fields.finish().map_err(|refused| in_words(&refused))?;
    Ok(event)
}

fn in_words(refused: &tonic::Status) -> String {
    let decoded = service_error::decode(refused);
    let violations = decoded.violations.iter();
    let told: Vec<String> = violations
        .map(|(field, rule)| format!("{field} {rule}"))
        .collect();
    match told.is_empty() {
        true => decoded.message,
        false => told.join("; "),
    }
}

fn time(fields: &mut Fields, event: &ObservedEvent, now: UnixMicros) {
    let Some(at) = to_unix_micros(event.at.as_ref()) else {
        return fields.refuse("at", "is required");
    };
    fields.timestamp("at", event.at.as_ref());
    if at <= UnixMicros(0) {
        fields.refuse("at", "is before 1970");
    }
    if at.since(now) > MAX_AHEAD {
        fields.refuse("at", "is more than a day in the future");
    }
}

fn content(fields: &mut Fields, told: &mut Event, cwd: &str) {
    match told {
        Event::PromptSubmitted(it) => {
            fields.line("prompt_submitted.prompt_id", &it.prompt_id, MAX_NAME_BYTES);
            it.text = text(&it.text, MAX_PROMPT_BYTES);
        }
        Event::ToolCallStarted(it) => {
            let of = "tool_call_started";
            call(fields, of, &it.tool_use_id, &it.tool_name);
            let prompt = format_args!("{of}.prompt_id");
            fields.line(prompt, &it.prompt_id, MAX_NAME_BYTES);
            it.summary = short(&it.summary, MAX_LINE_BYTES);
            files(fields, of, &mut it.files, cwd);
        }
        Event::ToolCallFinished(it) => {
            let of = "tool_call_finished";
            call(fields, of, &it.tool_use_id, &it.tool_name);
            known::<ToolOutcome>(fields, "tool_call_finished.outcome", it.outcome);
            it.summary = short(&it.summary, MAX_LINE_BYTES);
            it.error = short(&it.error, MAX_LINE_BYTES);
            files(fields, of, &mut it.files, cwd);
            if let Some(update) = &mut it.plan {
                plan(fields, "tool_call_finished.plan", update);
            }
        }
        Event::CompactionFinished(it) => it.summary = text(&it.summary, MAX_COMPACTION_BYTES),
        Event::TurnEnded(it) => {
            known::<TurnOutcome>(fields, "turn_ended.outcome", it.outcome);
            it.error = short(&it.error, MAX_LINE_BYTES);
            it.last_answer = text(&it.last_answer, MAX_ANSWER_BYTES);
        }
        Event::CwdChanged(it) => it.old_cwd = path(fields, "cwd_changed.old_cwd", &it.old_cwd, ""),
        other => names(fields, other),
    }
}

/// What holds names and figures alone.
fn names(fields: &mut Fields, told: &Event) {
    match told {
        Event::SessionStarted(it) => {
            known::<SessionStartSource>(fields, "session_started.source", it.source);
            fields.line("session_started.model", &it.model, MAX_NAME_BYTES);
        }
        Event::SessionEnded(it) => {
            known::<SessionEndReason>(fields, "session_ended.reason", it.reason);
        }
        Event::SubagentStarted(it) => {
            let field = "subagent_started.agent_type";
            fields.line(field, &it.agent_type, MAX_NAME_BYTES);
        }
        Event::SubagentEnded(it) => {
            let field = "subagent_ended.agent_type";
            fields.line(field, &it.agent_type, MAX_NAME_BYTES);
        }
        Event::UsageMeasured(it) => usage(fields, it),
        _ => {}
    }
}

/// A number that is one of the contract's.
fn known<E: TryFrom<i32>>(fields: &mut Fields, field: &str, number: i32) {
    if E::try_from(number).is_err() {
        fields.refuse(field, format!("{number} is none of its values"));
    }
}

fn call(fields: &mut Fields, of: &str, id: &str, name: &str) {
    fields.required_line(format_args!("{of}.tool_use_id"), id, MAX_NAME_BYTES);
    fields.required_line(format_args!("{of}.tool_name"), name, MAX_NAME_BYTES);
}

fn files(fields: &mut Fields, of: &str, files: &mut [UsedFile], cwd: &str) {
    if !fields.list(&format!("{of}.files"), files.len(), MAX_FILES) {
        return;
    }
    for (i, file) in files.iter_mut().enumerate() {
        let field = format!("{of}.files[{i}].path");
        if file.path.trim().is_empty() {
            fields.refuse(&field, "is required");
        }
        known::<FileUse>(fields, &format!("{of}.files[{i}].use"), file.r#use);
        file.path = path(fields, &field, &file.path, cwd);
    }
}

fn plan(fields: &mut Fields, of: &str, update: &mut PlanUpdate) {
    if !fields.list(&format!("{of}.steps"), update.steps.len(), MAX_STEPS) {
        return;
    }
    for (i, step) in update.steps.iter_mut().enumerate() {
        fields.line(
            format_args!("{of}.steps[{i}].step_id"),
            &step.step_id,
            MAX_NAME_BYTES,
        );
        let status = format!("{of}.steps[{i}].status");
        known::<PlanStepStatus>(fields, &status, step.status);
        step.text = short(&step.text, MAX_STEP_BYTES);
    }
}

fn usage(fields: &mut Fields, usage: &UsageMeasured) {
    fields.line("usage_measured.model", &usage.model, MAX_NAME_BYTES);
    if let Some(ratio) = usage.cache_hit_ratio {
        fields.fraction("usage_measured.cache_hit_ratio", ratio);
    }
    if usage.context_window == Some(0) {
        fields.refuse("usage_measured.context_window", "must be at least 1");
    }
    let cost = usage.cost_usd.unwrap_or(0.0);
    if !cost.is_finite() || cost < 0.0 {
        fields.refuse(
            "usage_measured.cost_usd",
            format!("must be a number of at least 0; it is {cost}"),
        );
    }
}

/// A text of any number of lines, cut to its limit.
fn text(text: &str, max: usize) -> String {
    let whole = text.replace('\0', "");
    cut_bytes(&whole, max).into_owned()
}

/// A text of one line, cut to its limit.
fn short(text: &str, max: usize) -> String {
    let whole = line(text.trim());
    cut_bytes(&whole, max).into_owned()
}

/// A path without "." and "..", what breaks a line written as an escape. A relative one is in the folder `cwd`.
fn path(fields: &mut Fields, field: &str, path: &str, cwd: &str) -> String {
    if path.len() > MAX_PATH_BYTES {
        fields.text(field, path, MAX_PATH_BYTES);
        return String::new();
    }
    let is_plain = !path.split(['/', '\\']).any(|part| part == "..");
    if is_plain {
        return line(path).into_owned();
    }
    let mut whole = PathBuf::from(cwd);
    for part in Path::new(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                whole.pop();
            }
            other => whole.push(other),
        }
    }
    let whole = whole.to_string_lossy().replace("\\..", "");
    line(&whole).into_owned()
}
