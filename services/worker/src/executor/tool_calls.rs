//! The calls of tools that an agent makes, as far as they tell people and SHIM something. Pure.

use serde_json::Value;
use shim_exec::{MAX_NOTE_BYTES, first_line};
use shim_runtime::ids::CheckpointId;

/// The greatest progress before the result: only the result says that an agent is done.
pub(super) const MAX_UNFINISHED: f64 = 0.99;
/// The tool that saves a checkpoint; a client puts a prefix before its name.
const CHECKPOINT_TOOL: &str = "shim_auto_checkpoint";
/// The fields of a tool's input that say most to people, the best first.
const DESCRIPTIVE_FIELDS: [&str; 8] = [
    "description",
    "command",
    "file_path",
    "path",
    "pattern",
    "query",
    "url",
    "prompt",
];

/// Whether a tool saves a checkpoint.
pub(super) fn saves_checkpoint(tool: &str) -> bool {
    tool.ends_with(CHECKPOINT_TOOL)
}

/// A call of a tool, described for people.
pub(super) fn describe_call(name: &str, input: &Value) -> String {
    describe_by(DESCRIPTIVE_FIELDS.iter(), name, input)
}

/// A call that was not permitted, by what it would have done rather than by what it was for.
pub(super) fn describe_denied(name: &str, input: &Value) -> String {
    describe_by(DESCRIPTIVE_FIELDS[1..].iter(), name, input)
}

fn describe_by<'a>(
    mut fields: impl Iterator<Item = &'a &'a str>,
    name: &str,
    input: &Value,
) -> String {
    let what = fields.find_map(|field| input[*field].as_str().filter(|what| !what.is_empty()));
    what.map_or_else(
        || name.to_owned(),
        |what| format!("{name}: {}", first_line(what, MAX_NOTE_BYTES)),
    )
}

/// How far an agent is by its own count: the share of finished steps in its list, or the progress of its checkpoint.
pub(super) fn progress(tool: &str, input: &Value) -> Option<f64> {
    let progress = if saves_checkpoint(tool) {
        input["progress"].as_f64()?
    } else {
        let steps = input["todos"]
            .as_array()
            .filter(|steps| !steps.is_empty())?;
        let done = steps.iter().filter(|step| step["status"] == "completed");
        done.count() as f64 / steps.len() as f64
    };
    Some(progress.clamp(0.0, MAX_UNFINISHED))
}

/// The checkpoint in the tool's answer; the answer is JSON in text, or in the text of blocks.
pub(super) fn checkpoint(answer: &Value) -> Option<CheckpointId> {
    let read = |text: &str| {
        let answer: Value = serde_json::from_str(text).ok()?;
        let id = answer.pointer("/checkpoint/checkpoint_id")?;
        id.as_str()?.parse().ok()
    };
    match answer {
        Value::String(text) => read(text),
        Value::Array(blocks) => blocks
            .iter()
            .find_map(|block| read(block["text"].as_str()?)),
        _ => None,
    }
}
