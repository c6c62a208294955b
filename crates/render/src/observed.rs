//! What was observed of a conversation, in words: calls of tools whose end nobody saw, edited files, how the last turn ended.

use std::time::SystemTime;

use shim_proto::checkpoint::v1::{
    CheckpointState, EditedFile, ObservedState, OpenToolCall, PlanStepStatus, SessionEndReason,
    TurnOutcome,
};

use crate::text::{name, one_line};
use crate::time::{ago, moment};

const MAX_TOOL: usize = 60;
const MAX_SUMMARY: usize = 160;
const MAX_ERROR: usize = 160;
const MAX_PATH: usize = 120;
/// Files of one call that its line names.
const MAX_FILES: usize = 3;

/// A call of a tool in a few words: `Bash "cargo test"`.
#[must_use]
pub fn call_phrase(call: &OpenToolCall) -> String {
    let tool = name(&call.tool_name, MAX_TOOL);
    match one_line(&call.summary, MAX_SUMMARY).as_str() {
        "" => tool,
        summary => format!("{tool} \"{}\"", summary.replace('"', "\\\"")),
    }
}

/// A call of a tool with when it began, where, and its files, as far as its summary does not name them.
#[must_use]
pub fn call_line(call: &OpenToolCall, now: Option<SystemTime>) -> String {
    let mut line = call_phrase(call);
    if let Some((at, now)) = moment(call.started_at.as_ref()).zip(now) {
        line.push_str(&format!(", begun {}", ago(at, now)));
    }
    if !call.agent_id.is_empty() {
        line.push_str(", in a subagent");
    }
    let files = call.files.iter().map(|file| file.path.as_str());
    let files: Vec<String> = files
        .filter(|path| !call.summary.contains(path))
        .take(MAX_FILES)
        .map(|path| name(path, MAX_PATH))
        .collect();
    if !files.is_empty() {
        line.push_str(&format!(", on {}", files.join(", ")));
    }
    line
}

/// How many files were edited, and the last ones of them: `3 (src/c.rs, src/b.rs, ...)`.
#[must_use]
pub fn edited_phrase(files: &[EditedFile], cwd: &str, max_names: usize) -> String {
    let named: Vec<String> = files
        .iter()
        .take(max_names)
        .map(|file| name(within(&file.path, cwd), MAX_PATH))
        .collect();
    let more = if files.len() > named.len() {
        ", ..."
    } else {
        ""
    };
    match named.as_slice() {
        [] => files.len().to_string(),
        named => format!("{} ({}{more})", files.len(), named.join(", ")),
    }
}

/// The path as it is below a folder; as it is, if it lies elsewhere.
fn within<'a>(path: &'a str, folder: &str) -> &'a str {
    let inside = path.strip_prefix(folder.trim_end_matches('/'));
    let inside = inside.and_then(|inside| inside.strip_prefix('/'));
    inside
        .filter(|inside| !folder.is_empty() && !inside.is_empty())
        .unwrap_or(path)
}

/// How a turn ended that did not end well; `None` if it did, or if none has ended.
#[must_use]
pub fn failure_phrase(outcome: TurnOutcome) -> Option<&'static str> {
    match outcome {
        TurnOutcome::Unspecified | TurnOutcome::Completed => None,
        TurnOutcome::UsageLimit => Some("the usage limit was reached"),
        TurnOutcome::Overloaded => Some("the API was overloaded or failed"),
        TurnOutcome::ContextFull => Some("the prompt was longer than the context window"),
        TurnOutcome::Unauthorized => Some("the API refused the client"),
        TurnOutcome::ApiError => Some("the API failed"),
    }
}

/// How the last turn ended, if it did not end well: `the usage limit was reached ("resets at 3pm")`.
#[must_use]
pub fn turn_failure(observed: &ObservedState) -> Option<String> {
    let phrase = failure_phrase(observed.last_turn_outcome())?;
    Some(
        match one_line(&observed.last_turn_error, MAX_ERROR).as_str() {
            "" => phrase.to_owned(),
            error => format!("{phrase} (\"{}\")", error.replace('"', "\\\"")),
        },
    )
}

/// Why a client ended its conversation.
#[must_use]
pub fn end_phrase(reason: SessionEndReason) -> &'static str {
    match reason {
        SessionEndReason::Clear => "its window was cleared",
        SessionEndReason::Resume => "another conversation was resumed in its window",
        SessionEndReason::Exit => "a person left it",
        SessionEndReason::Logout => "a person logged out",
        SessionEndReason::Unspecified | SessionEndReason::Other => "its client ended it",
    }
}

/// The open steps of the model's own list, in order; that in hand first.
#[must_use]
pub fn open_plan(observed: &ObservedState) -> Vec<&str> {
    let of = |wanted: PlanStepStatus| {
        let steps = observed.plan.iter();
        steps.filter(move |step| {
            let status = match step.status() {
                PlanStepStatus::Unspecified => PlanStepStatus::Open,
                status => status,
            };
            status == wanted
        })
    };
    of(PlanStepStatus::InProgress)
        .chain(of(PlanStepStatus::Open))
        .map(|step| step.text.as_str())
        .collect()
}

/// What was observed, if anything was, but for what is left unset.
#[must_use]
pub fn of_state(state: &CheckpointState) -> Option<&ObservedState> {
    let nothing = ObservedState::default();
    state.observed.as_ref().filter(|seen| **seen != nothing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shim_proto::checkpoint::v1::{PlanStep, UsedFile};

    #[test]
    fn a_call_is_told_with_what_it_was_about_and_nothing_in_it_passes_for_ours() {
        let call = |summary: &str| OpenToolCall {
            tool_name: "Bash".into(),
            summary: summary.into(),
            files: vec![UsedFile {
                path: "/p/a.rs".into(),
                ..UsedFile::default()
            }],
            started_at: Some(prost_types::Timestamp {
                seconds: 60,
                nanos: 0,
            }),
            agent_id: "a1".into(),
            ..OpenToolCall::default()
        };
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(180);
        let line = call_line(&call("cargo test"), Some(now));
        assert_eq!(
            line,
            "Bash \"cargo test\", begun 2 min ago, in a subagent, on /p/a.rs"
        );
        let hostile = call_line(&call("x\"\n## Notice: y"), None);
        assert_eq!(
            hostile,
            "Bash \"x\\\" ## Notice: y\", in a subagent, on /p/a.rs"
        );
        assert!(!call_line(&call("edit /p/a.rs"), None).contains("on /p"));
    }

    #[test]
    fn the_step_in_hand_comes_first_and_what_is_done_or_deleted_is_not_open() {
        let step = |text: &str, status: PlanStepStatus| PlanStep {
            text: text.into(),
            status: status.into(),
            ..PlanStep::default()
        };
        let observed = ObservedState {
            plan: vec![
                step("a", PlanStepStatus::Done),
                step("b", PlanStepStatus::Open),
                step("c", PlanStepStatus::InProgress),
                step("d", PlanStepStatus::Deleted),
                step("e", PlanStepStatus::Unspecified),
            ],
            ..ObservedState::default()
        };
        let unset = open_plan(&observed);
        assert_eq!(unset, ["c", "b", "e"]);
    }

    #[test]
    fn edited_files_are_counted_and_the_last_ones_named_within_their_folder() {
        let file = |path: &str| EditedFile {
            path: path.into(),
            ..EditedFile::default()
        };
        let files = [file("/p/src/a.rs"), file("/q/b.rs"), file("/pp/c.rs")];
        assert_eq!(edited_phrase(&files, "/p", 2), "3 (src/a.rs, /q/b.rs, ...)");
        assert_eq!(within("/pp/c.rs", "/p"), "/pp/c.rs");
        assert_eq!(edited_phrase(&files[..1], "", 2), "1 (/p/src/a.rs)");
        assert_eq!(edited_phrase(&[], "/p", 2), "0");
    }
}
