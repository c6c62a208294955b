//! What changed from one state to another, field by field.

use std::collections::HashSet;

use shim_proto::checkpoint::v1::{CheckpointState, FieldChange, FileState};

/// The fields that differ, in the order of the message.
pub(crate) fn diff(from: &CheckpointState, to: &CheckpointState) -> Vec<FieldChange> {
    let git = |state: &CheckpointState| {
        state
            .git
            .as_ref()
            .map(|git| format!("{} {}", git.branch, git.head))
            .unwrap_or_default()
    };
    let custom = |state: &CheckpointState| {
        state
            .custom
            .as_ref()
            .map(|custom| custom.fields.keys().cloned().collect::<Vec<_>>().join(", "))
            .unwrap_or_default()
    };
    let mut changes = vec![
        text_change("current_task", &from.current_task, &to.current_task),
        text_change(
            "progress",
            &from.progress.to_string(),
            &to.progress.to_string(),
        ),
        list_change("decisions", &from.decisions, &to.decisions),
        list_change(
            "active_files",
            &describe_files(&from.active_files),
            &describe_files(&to.active_files),
        ),
        list_change("next_steps", &from.next_steps, &to.next_steps),
        list_change(
            "completed_steps",
            &from.completed_steps,
            &to.completed_steps,
        ),
        list_change("blockers", &from.blockers, &to.blockers),
        text_change("summary", &from.summary, &to.summary),
        text_change("git", &git(from), &git(to)),
    ];
    if from.custom != to.custom {
        changes.push(Some(FieldChange {
            field: "custom".into(),
            before: custom(from),
            after: custom(to),
            ..Default::default()
        }));
    }
    changes.into_iter().flatten().collect()
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
