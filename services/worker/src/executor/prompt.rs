//! What a program reads of its task: JSON for a command, a prompt for an agent. Pure.

use std::fmt::Write;

use serde_json::{Value, json};
use shim_render::text::{name, one_line};
use shim_runtime::files::shown;
use shim_runtime::free_form;
use shim_work::ClaimedTask;

/// Characters of a path.
const MAX_NAME: usize = 4_096;
/// Characters of what is said of the attempt before.
const MAX_WHY: usize = 1_000;

/// The task as one JSON object.
pub(super) fn as_json(claim: &ClaimedTask) -> String {
    let task = &claim.task;
    let object = json!({
        "task_id": task.task_id,
        "root_id": task.root_id,
        "key": task.key,
        "lease": claim.claim_ref.lease.0,
        "goal": task.goal,
        "kind": task.kind,
        "attempt": task.attempts,
        "files": task.files.iter().map(|file| shown(file)).collect::<Vec<_>>(),
        "workspace": task.workspace,
        "payload": task.payload.as_ref().map(free_form::to_json),
        "resume": claim.resume,
    });
    format!("{object}\n")
}

/// The same for a model that has the conversation of an earlier attempt.
pub(super) fn to_go_on(claim: &ClaimedTask) -> String {
    let mut text = String::from("Your last attempt at this task ended before it was done");
    match claim.task.error.as_ref().map(|error| error.message.trim()) {
        None | Some("") => text.push('.'),
        Some(why) => {
            let _ = write!(text, ": {}", one_line(why, MAX_WHY));
        }
    }
    text.push_str(
        "\nGo on where it left off. Whether its last call had its effect is not known: look before you repeat it.\n\n\
         The task again:\n\n",
    );
    text + &as_text(claim)
}

/// The task as facts for a model: the goal as it was given, since it is what is to be done, its files and input, and where the
/// worker before left off.
pub(super) fn as_text(claim: &ClaimedTask) -> String {
    let task = &claim.task;
    let mut text = task.goal.clone();
    let mut add = |part: &str| {
        text.push_str("\n\n");
        text.push_str(part.trim_end());
    };
    if !task.kind.is_empty() {
        add(&format!("Kind of work: {}", one_line(&task.kind, MAX_NAME)));
    }
    if !task.files.is_empty() {
        let workspace = name(&task.workspace, MAX_NAME);
        let mut files = format!("Files you have for yourself in {workspace}:\n");
        for pattern in &task.files {
            let _ = writeln!(files, "- {}", name(&shown(pattern), MAX_NAME));
        }
        add(&files);
    }
    let payload = task.payload.as_ref().map(free_form::to_json);
    if let Some(payload) = payload.filter(|payload| !payload.is_empty()) {
        let payload = format!("{:#}", Value::Object(payload));
        add(&format!("Input:\n```json\n{payload}\n```"));
    }
    if let Some(resume) = &claim.resume {
        add(&format!("Where the worker before you left off:\n{resume}"));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use shim_proto::coordination::v1::{Task, TaskError};
    use shim_runtime::ids::{LeaseToken, TaskId};
    use shim_work::ClaimRef;

    use super::*;

    fn claim() -> ClaimedTask {
        let payload = json!({"depth": 2});
        ClaimedTask {
            task: Task {
                task_id: "t1".to_owned(),
                goal: "Fix the parser".to_owned(),
                files: vec!["src/*.rs".to_owned(), r"app/\[id\].ts".to_owned()],
                workspace: "/repo".to_owned(),
                payload: free_form::from_json(payload.as_object().unwrap()),
                ..Task::default()
            },
            claim_ref: ClaimRef {
                task_id: TaskId::new(),
                lease: LeaseToken(9),
            },
            resume: Some("The lexer is done.".to_owned()),
        }
    }

    #[test]
    fn a_prompt_holds_the_known_facts_and_no_more() {
        let expected = "Fix the parser\n\nFiles you have for yourself in /repo:\n- src/*.rs\n- app/[id].ts\n\n\
                        Input:\n```json\n{\n  \"depth\": 2\n}\n```\n\n\
                        Where the worker before you left off:\nThe lexer is done.\n";
        assert_eq!(as_text(&claim()), expected);
        let bare = ClaimedTask {
            task: Task {
                goal: "Think".to_owned(),
                ..Task::default()
            },
            ..ClaimedTask::default()
        };
        assert_eq!(as_text(&bare), "Think\n");
    }

    #[test]
    fn who_goes_on_is_told_how_it_ended_and_the_task_again() {
        let mut claim = claim();
        let expected =
            "Your last attempt at this task ended before it was done.\nGo on where it left off.";
        assert!(to_go_on(&claim).starts_with(expected));
        claim.task.error = Some(TaskError {
            reason: "EXECUTOR_FAILED".to_owned(),
            message: "exit status: 143\nTerminated".to_owned(),
        });
        let text = to_go_on(&claim);
        let expected = "Your last attempt at this task ended before it was done: exit status: 143 Terminated\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.ends_with(&as_text(&claim)), "{text}");
    }

    #[test]
    fn a_command_reads_the_same_as_json() {
        let value: Value = serde_json::from_str(&as_json(&claim())).unwrap();
        assert_eq!(value["payload"]["depth"], 2);
        assert_eq!(value["lease"], 9);
        assert_eq!(value["files"], json!(["src/*.rs", "app/[id].ts"]));
        assert_eq!(value["resume"], "The lexer is done.");
    }
}
