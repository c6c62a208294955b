//! Kept tests as an evolution: new files that wait for a decision like any other change.

use std::time::SystemTime;

use shim_proto::evolution::v1::{
    Evolution, EvolutionState, FileChange, Project as ProjectMessage, Risk,
};
use similar::TextDiff;

/// The name of the transform that adds tests.
pub(super) const TRANSFORM: &str = "generate_tests";

/// A new test file.
pub(super) struct NewFile {
    pub(super) path: String,
    pub(super) text: String,
    pub(super) functions: Vec<String>,
    pub(super) tests: usize,
}

/// The proposal that adds the files.
pub(super) fn proposal(project: ProjectMessage, files: &[NewFile], why: String) -> Evolution {
    let now = prost_types::Timestamp::from(SystemTime::now());
    Evolution {
        evolution_id: uuid::Uuid::now_v7().to_string(),
        project: Some(project),
        transform: TRANSFORM.to_owned(),
        state: EvolutionState::Proposed.into(),
        files: files.iter().map(change).collect(),
        risk: Risk::Low.into(),
        why,
        proposed_at: Some(now),
        updated_at: Some(now),
        ..Evolution::default()
    }
}

fn change(file: &NewFile) -> FileChange {
    let diff = TextDiff::from_lines("", &file.text);
    let header = format!("b/{}", file.path);
    FileChange {
        path: file.path.clone(),
        diff: diff.unified_diff().header("/dev/null", &header).to_string(),
        functions: file.functions.clone(),
        deleted_lines: 0,
        added_lines: u32::try_from(file.text.lines().count()).unwrap_or(u32::MAX),
        changes: u32::try_from(file.tests).unwrap_or(u32::MAX),
        is_new: true,
        ..FileChange::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_a_diff_from_nothing() {
        let file = NewFile {
            path: "test/a.js".to_owned(),
            text: "one\ntwo\n".to_owned(),
            functions: vec!["f".to_owned()],
            tests: 2,
        };
        let evolution = proposal(ProjectMessage::default(), &[file], "why".to_owned());
        let change = &evolution.files[0];
        assert_eq!(
            change.diff,
            "--- /dev/null\n+++ b/test/a.js\n@@ -0,0 +1,2 @@\n+one\n+two\n"
        );
        assert_eq!(
            (change.added_lines, change.changes, change.is_new),
            (2, 2, true)
        );
    }
}
