//! What changed from one state to another, field by field.

use std::collections::HashSet;

use shim_proto::checkpoint::v1::{
    CheckpointState, FieldChange, FileState, ObservedState, PlanStepStatus,
};

/// The fields that differ, in the order of the message.
pub(crate) fn diff(from: &CheckpointState, to: &CheckpointState) -> Vec<FieldChange> {
    let progress = |state: &CheckpointState| state.progress.to_string();
    let files = |state: &CheckpointState| describe_files(&state.active_files);
    let text = |field: &str, of: &dyn Fn(&CheckpointState) -> String| {
        text_change(field, &of(from), &of(to))
    };
    let list = |field: &str, of: fn(&CheckpointState) -> &Vec<String>| {
        list_change(field, of(from), of(to))
    };
    [
        text_change("current_task", &from.current_task, &to.current_task),
        text("progress", &progress),
        list("decisions", |state| &state.decisions),
        list_change("active_files", &files(from), &files(to)),
        list("next_steps", |state| &state.next_steps),
        list("completed_steps", |state| &state.completed_steps),
        list("blockers", |state| &state.blockers),
        text_change("summary", &from.summary, &to.summary),
        text("git", &describe_git),
        custom_change(from, to),
        text_change("task_key", &from.task_key, &to.task_key),
        list("dropped_steps", |state| &state.dropped_steps),
        list("retracted_decisions", |state| &state.retracted_decisions),
        list("left_open_steps", |state| &state.left_open_steps),
        text("is_task_observed", &|state| {
            state.is_task_observed.to_string()
        }),
        text("observed.last_prompt", &|state| observed(state).last_prompt),
        list_change(
            "observed.edited_files",
            &edited_files(from),
            &edited_files(to),
        ),
        list_change("observed.plan", &plan(from), &plan(to)),
        text("observed.last_answer", &|state| observed(state).last_answer),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn observed(state: &CheckpointState) -> ObservedState {
    state.observed.clone().unwrap_or_default()
}

fn edited_files(state: &CheckpointState) -> Vec<String> {
    let files = observed(state).edited_files.into_iter();
    files
        .map(|file| format!("{} ({} edits)", file.path, file.edits))
        .collect()
}

fn plan(state: &CheckpointState) -> Vec<String> {
    let steps = observed(state).plan.into_iter();
    steps
        .map(|step| match step.status() {
            PlanStepStatus::Done => format!("done: {}", step.text),
            PlanStepStatus::InProgress => format!("in hand: {}", step.text),
            _ => step.text,
        })
        .collect()
}

fn describe_git(state: &CheckpointState) -> String {
    let git = state.git.as_ref();
    let Some(git) = git else {
        return String::new();
    };
    let tree = git.work_tree.as_ref().map(|tree| match tree.changed_files {
        0 => " (clean)".to_owned(),
        files => format!(" ({files} uncommitted)"),
    });
    format!("{} {}{}", git.branch, git.head, tree.unwrap_or_default())
}

/// Free-form fields are named, not quoted: their values may be large.
fn custom_change(from: &CheckpointState, to: &CheckpointState) -> Option<FieldChange> {
    let keys = |state: &CheckpointState| {
        let custom = state.custom.as_ref();
        custom
            .map(|custom| custom.fields.keys().cloned().collect::<Vec<_>>().join(", "))
            .unwrap_or_default()
    };
    (from.custom != to.custom).then(|| FieldChange {
        field: "custom".into(),
        before: keys(from),
        after: keys(to),
        ..Default::default()
    })
}

fn describe_files(files: &[FileState]) -> Vec<String> {
    files
        .iter()
        .map(|file| match file.blake3.get(..12) {
            Some(hash) => format!("{} ({} bytes, {hash})", file.path, file.size_bytes),
            None => file.path.clone(),
        })
        .collect()
}

fn text_change(field: &str, before: &str, after: &str) -> Option<FieldChange> {
    (before != after).then(|| FieldChange {
        field: field.into(),
        before: before.into(),
        after: after.into(),
        ..Default::default()
    })
}

fn list_change(field: &str, before: &[String], after: &[String]) -> Option<FieldChange> {
    let missing_from = |these: &[String], those: &[String]| -> Vec<String> {
        let those: HashSet<&String> = those.iter().collect();
        these
            .iter()
            .filter(|item| !those.contains(item))
            .cloned()
            .collect()
    };
    let (added, removed) = (missing_from(after, before), missing_from(before, after));
    (!added.is_empty() || !removed.is_empty()).then(|| FieldChange {
        field: field.into(),
        added,
        removed,
        ..Default::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_listed() {
        let from = CheckpointState {
            current_task: "a".into(),
            next_steps: vec!["x".into()],
            ..Default::default()
        };
        let to = CheckpointState {
            next_steps: vec!["y".into()],
            progress: 0.5,
            ..from.clone()
        };
        assert!(diff(&from, &from).is_empty());
        let changes = diff(&from, &to);
        assert_eq!(
            changes.iter().map(|c| c.field.as_str()).collect::<Vec<_>>(),
            ["progress", "next_steps"]
        );
        assert_eq!(
            (changes[1].added[0].as_str(), changes[1].removed[0].as_str()),
            ("y", "x")
        );
    }
}
