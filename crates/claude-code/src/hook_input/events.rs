//! The event of each hook.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{
    CompactionFinished, CompactionStarted, CwdChanged, PromptSubmitted, SessionEndReason,
    SessionEnded, SessionStartSource, SessionStarted, SubagentEnded, SubagentStarted,
    ToolCallFinished, ToolCallStarted, ToolOutcome, TurnEnded, TurnOutcome, UsedFile,
};

use super::fields::Fields;
use crate::texts::{
    MAX_COMPACTION_BYTES, MAX_NAME_BYTES, MAX_SUMMARY_BYTES, MAX_TEXT_BYTES, cut, line_of,
};
use crate::tool_input;

/// How prompts begin that the client wrote itself: results of background tasks, notes of teammates and of its own.
const CLIENTS_OWN: [&str; 5] = [
    "<task-notification",
    "<system-reminder",
    "<teammate-message",
    "<agent-message",
    "<local-command-",
];
/// How the client words an error of the API that says the context is full.
const CONTEXT_FULL: [&str; 3] = ["prompt is too long", "context window", "context limit"];

/// What the hook tells, if it is one that is kept and has what its event needs.
pub(super) fn of(hook: &str, fields: &Fields<'_>, cwd: &Path) -> Option<Event> {
    Some(match hook {
        "SessionStart" => Event::SessionStarted(session_started(fields)),
        "UserPromptSubmit" => Event::PromptSubmitted(prompt_submitted(fields)),
        "PreToolUse" => Event::ToolCallStarted(tool_call_started(fields, cwd)?),
        "PostToolUse" => Event::ToolCallFinished(tool_call_finished(fields, cwd)?),
        "PostToolUseFailure" => Event::ToolCallFinished(tool_call_failed(fields, cwd)?),
        "PreCompact" => Event::CompactionStarted(CompactionStarted {
            is_automatic: fields.text("trigger") == "auto",
        }),
        "PostCompact" => Event::CompactionFinished(CompactionFinished {
            is_automatic: fields.text("trigger") == "auto",
            summary: fields.cut("compact_summary", MAX_COMPACTION_BYTES),
        }),
        "Stop" => Event::TurnEnded(turn_ended(fields)),
        "StopFailure" => Event::TurnEnded(turn_failed(fields)),
        "SubagentStart" => Event::SubagentStarted(SubagentStarted {
            agent_type: subagent_type(fields)?,
        }),
        "SubagentStop" => Event::SubagentEnded(SubagentEnded {
            agent_type: subagent_type(fields)?,
        }),
        "CwdChanged" => Event::CwdChanged(CwdChanged {
            old_cwd: fields.path("old_cwd"),
        }),
        "SessionEnd" => Event::SessionEnded(SessionEnded {
            reason: end_reason(fields.text("reason")).into(),
        }),
        _ => return None,
    })
}

/// The files that a hook's tool call names.
pub(super) fn files(tool_name: &str, fields: &Fields<'_>, cwd: &Path) -> Vec<UsedFile> {
    if tool_name.is_empty() {
        return Vec::new();
    }
    tool_input::describe(tool_name, fields.get("tool_input"), cwd).files
}

fn session_started(fields: &Fields<'_>) -> SessionStarted {
    let source = match fields.text("source") {
        "resume" => SessionStartSource::Resume,
        "clear" => SessionStartSource::Clear,
        "compact" => SessionStartSource::Compact,
        "fork" => SessionStartSource::Fork,
        _ => SessionStartSource::Startup,
    };
    SessionStarted {
        source: source.into(),
        model: fields.cut("model", MAX_NAME_BYTES),
        context_tokens: fields.count("context_tokens"),
    }
}

fn prompt_submitted(fields: &Fields<'_>) -> PromptSubmitted {
    let text = fields.text("prompt");
    PromptSubmitted {
        prompt_id: fields.name("prompt_id"),
        by_client: is_of_client(text),
        text: cut(text, MAX_TEXT_BYTES),
    }
}

fn tool_call_started(fields: &Fields<'_>, cwd: &Path) -> Option<ToolCallStarted> {
    let (tool_use_id, tool_name) = call(fields)?;
    let described = tool_input::describe(&tool_name, fields.get("tool_input"), cwd);
    Some(ToolCallStarted {
        tool_use_id,
        tool_name,
        summary: described.summary,
        files: described.files,
        prompt_id: fields.name("prompt_id"),
    })
}

fn tool_call_finished(fields: &Fields<'_>, cwd: &Path) -> Option<ToolCallFinished> {
    let (tool_use_id, tool_name) = call(fields)?;
    let (input, response) = (fields.get("tool_input"), fields.get("tool_response"));
    let described = tool_input::describe(&tool_name, input, cwd);
    let is_interrupted = response.get("interrupted") == Some(&Value::Bool(true));
    let outcome = if is_interrupted {
        ToolOutcome::Interrupted
    } else {
        ToolOutcome::Succeeded
    };
    Some(ToolCallFinished {
        plan: tool_input::plan_after(&tool_name, input, response),
        tool_use_id,
        tool_name,
        summary: described.summary,
        files: described.files,
        outcome: outcome.into(),
        duration: duration(fields),
        error: String::new(),
        result_bytes: size(response),
    })
}

fn tool_call_failed(fields: &Fields<'_>, cwd: &Path) -> Option<ToolCallFinished> {
    let (tool_use_id, tool_name) = call(fields)?;
    let described = tool_input::describe(&tool_name, fields.get("tool_input"), cwd);
    let outcome = if fields.flag("is_interrupt") {
        ToolOutcome::Interrupted
    } else {
        ToolOutcome::Failed
    };
    Some(ToolCallFinished {
        tool_use_id,
        tool_name,
        summary: described.summary,
        files: described.files,
        outcome: outcome.into(),
        duration: duration(fields),
        error: line_of(fields.text("error"), MAX_SUMMARY_BYTES),
        result_bytes: 0,
        plan: None,
    })
}

/// The client's id of the call and the tool: without them it cannot be told from others.
fn call(fields: &Fields<'_>) -> Option<(String, String)> {
    let (id, tool) = (fields.name("tool_use_id"), fields.name("tool_name"));
    (!id.is_empty() && !tool.is_empty()).then_some((id, tool))
}

fn duration(fields: &Fields<'_>) -> Option<prost_types::Duration> {
    let told = Duration::from_millis(fields.count("duration_ms")?);
    prost_types::Duration::try_from(told).ok()
}

/// Bytes of a result: of a text its own, else of its JSON.
fn size(response: &Value) -> u64 {
    match response {
        Value::Null => 0,
        Value::String(text) => text.len() as u64,
        other => {
            let mut counted = Counted(0);
            // A counter takes whatever comes.
            serde_json::to_writer(&mut counted, other).map_or(0, |()| counted.0)
        }
    }
}

/// Counts what is written to it.
struct Counted(u64);

impl std::io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn turn_ended(fields: &Fields<'_>) -> TurnEnded {
    let background = fields.get("background_tasks").as_array();
    TurnEnded {
        outcome: TurnOutcome::Completed.into(),
        error: String::new(),
        last_answer: fields.cut("last_assistant_message", MAX_TEXT_BYTES),
        background_tasks: background
            .map_or(0, |tasks| u32::try_from(tasks.len()).unwrap_or(u32::MAX)),
        was_continued: fields.flag("stop_hook_active"),
    }
}

fn turn_failed(fields: &Fields<'_>) -> TurnEnded {
    let kind = fields.text("error");
    let details = [
        fields.text("error_details"),
        fields.text("last_assistant_message"),
    ];
    let words = details.into_iter().find(|text| !text.trim().is_empty());
    let error = match words.map(|words| line_of(words, MAX_SUMMARY_BYTES / 2)) {
        Some(words) => format!("{}: {words}", line_of(kind, MAX_NAME_BYTES)),
        None => line_of(kind, MAX_NAME_BYTES),
    };
    TurnEnded {
        outcome: failure(kind, &details.join("\n")).into(),
        error,
        ..turn_ended(fields)
    }
}

/// Whether the client wrote a prompt itself.
pub(crate) fn is_of_client(prompt: &str) -> bool {
    let begins = prompt.trim_start();
    CLIENTS_OWN.iter().any(|mark| begins.starts_with(mark))
}

/// The kind of a turn's failure, by the client's word and, where that is wide, by its text.
pub(crate) fn failure(kind: &str, details: &str) -> TurnOutcome {
    let details = details.to_lowercase();
    match kind {
        "rate_limit" | "billing_error" | "account_on_hold" => TurnOutcome::UsageLimit,
        "overloaded" | "server_error" => TurnOutcome::Overloaded,
        "authentication_failed"
        | "oauth_org_not_allowed"
        | "verification_required"
        | "cloud_credential_error" => TurnOutcome::Unauthorized,
        _ if CONTEXT_FULL.iter().any(|words| details.contains(words)) => TurnOutcome::ContextFull,
        _ => TurnOutcome::ApiError,
    }
}

/// The client runs a nameless subagent of its own to summarise a conversation, which is none of the model's.
fn subagent_type(fields: &Fields<'_>) -> Option<String> {
    let is_named = !fields.name("agent_id").is_empty() && !fields.name("agent_type").is_empty();
    is_named.then(|| fields.name("agent_type"))
}

fn end_reason(reason: &str) -> SessionEndReason {
    match reason {
        "clear" => SessionEndReason::Clear,
        "resume" => SessionEndReason::Resume,
        "prompt_input_exit" | "exit" => SessionEndReason::Exit,
        "logout" => SessionEndReason::Logout,
        _ => SessionEndReason::Other,
    }
}
