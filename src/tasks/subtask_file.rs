//! A file with the parts of a job: a JSON list of subtasks, in the words of the contract or of the tool
//! `shim_coordinate_task`, so that a plan that one takes the other takes, too.

use std::path::Path;

use clap::ValueEnum;
use serde_json::{Value, json};
use shim_proto::coordination::v1::{SubmitTaskRequest, Subtask, WorkerKind};
use shim_proto::limits::task::MAX_PLAN_BYTES;
use shim_runtime::data_dir::{OpenError, read_named};
use shim_runtime::json_text;

use super::labels::Executor;
use super::plan_words;
use crate::error::CliError;
use crate::json_object::{check_losses, read_stdin, text_limit, too_large};
use crate::output::json;

const FORM: &str = r#"write a list: [{"id": "parse", "goal": "...", "files": ["src/parse/**"]}, {"id": "test", "goal": "...", "after": ["parse"]}]"#;

/// Reads the subtasks of a file, or of stdin for `-`.
///
/// # Errors
/// If it cannot be read, or is no such list.
pub(super) fn read(file: &str) -> Result<Vec<Subtask>, CliError> {
    let text = if file == "-" {
        read_stdin(MAX_PLAN_BYTES)?
    } else {
        read_named(Path::new(file), text_limit(MAX_PLAN_BYTES)).map_err(|why| match why {
            OpenError::TooLarge(_) => too_large(file, MAX_PLAN_BYTES),
            OpenError::Io(error) => {
                CliError::from(error).while_doing(format!("cannot read {file}"))
            }
            other => CliError::new(format!("cannot read {file}: {other}")),
        })?
    };
    parse(&text).map_err(|failure| {
        failure
            .while_doing(format!("{file} is no list of subtasks"))
            .hint(FORM)
    })
}

/// Unknown fields are refused, so that a misspelt one is not silently left out.
pub(crate) fn parse(text: &str) -> Result<Vec<Subtask>, CliError> {
    check_losses("", text)?;
    let wrong = |e: serde_json::Error| CliError::new(e.to_string());
    let mut parts: Vec<Value> = json_text::read(text).map_err(wrong)?;
    for (index, part) in parts.iter_mut().enumerate() {
        if let Some(part) = part.as_object_mut() {
            plan_words::to_contract(part)
                .map_err(|what| CliError::new(format!("[{index}]: {what}")))?;
        }
        if let Some(executor) = part.pointer_mut("/requirements/executor") {
            expand_executor(executor);
        }
    }
    let request = json!({ "subtasks": parts }).to_string();
    Ok(json::read::<SubmitTaskRequest>(&request)?.subtasks)
}

/// `"agent"` is `WORKER_KIND_AGENT` in canonical JSON.
fn expand_executor(executor: &mut Value) {
    let named = executor.as_str();
    if let Some(short) = named.and_then(|name| Executor::from_str(name, true).ok()) {
        *executor = WorkerKind::from(short).as_str_name().into();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn subtasks_are_read_as_people_write_them() {
        let parts = parse(
            r#"[
                {"key": "parse", "goal": "g", "files": ["src/**"], "timeout": "90s", "weight": 2},
                {"key": "test", "goal": "h", "depends_on": ["parse"],
                 "requirements": {"executor": "agent", "capabilities": ["rust"]},
                 "payload": {"args": ["-q"]}, "approval": {"beforeResult": true}}
            ]"#,
        )
        .unwrap();
        assert_eq!(parts[0].timeout.unwrap().seconds, 90);
        assert_eq!(parts[1].depends_on, ["parse"]);
        let asked = parts[1].requirements.as_ref().unwrap();
        assert_eq!(asked.executor(), WorkerKind::Agent);
        assert!(parts[1].approval.unwrap().before_result);
    }

    #[test]
    fn a_plan_in_the_words_of_the_tool_is_the_same_plan() {
        let contract = parse(
            r#"[{"key": "a", "goal": "g"},
                {"key": "b", "goal": "h", "depends_on": ["a"], "timeout": "90s", "priority": 3,
                 "requirements": {"executor": "agent", "capabilities": ["rust"]},
                 "approval": {"before_start": true, "before_result": true}}]"#,
        )
        .unwrap();
        let tool = parse(
            r#"[{"id": "a", "goal": "g"},
                {"id": "b", "goal": "h", "after": ["a"], "timeout_seconds": 90, "priority": 3,
                 "requirements": ["rust"], "executor": "agent", "approval": "both"}]"#,
        )
        .unwrap();
        assert_eq!(tool, contract);
    }

    #[test]
    fn one_field_in_both_words_is_refused() {
        for twice in [
            r#"[{"key": "a", "id": "b", "goal": "g"}]"#,
            r#"[{"key": "a", "goal": "g", "after": [], "dependsOn": ["b"]}]"#,
            r#"[{"key": "a", "goal": "g", "timeout": "1s", "timeout_seconds": 2}]"#,
            r#"[{"key": "a", "key": "b", "goal": "g"}]"#,
            r#"[{"key": "a", "goal": "g", "payload": {"x": 1, "x": 2}}]"#,
            r#"[{"key": "a", "goal": "g", "timeout_seconds": 1.5}]"#,
            r#"[{"key": "a", "goal": "g", "approval": "never"}]"#,
            r#"[{"key": "a", "goal": "g", "executor": "agent", "requirements": {"executor": "chat"}}]"#,
        ] {
            let refused = parse(twice).unwrap_err().lines();
            assert!(refused.contains("[0]"), "{refused}");
        }
    }

    #[test]
    fn what_is_no_list_of_subtasks_is_refused() {
        for wrong in [
            "",
            "{}",
            "[1]",
            r#"[{"key": "a", "gaol": "misspelt"}]"#,
            r#"[{"key": "a", "requirements": {"executor": "nobody"}}]"#,
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        let large = r#"[{"key": "a"}, {"key": "b", "payload": {"ids": [1234567890123456789]}}]"#;
        let lines = parse(large).unwrap_err().lines();
        assert!(
            lines.contains("[1].payload.ids[0]: is 1234567890123456789"),
            "{lines}"
        );
    }
}
