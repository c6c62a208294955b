//! Claims about files that a session was seen to edit, compared with evidence of the present.
//!
//! What the session wrote is not known, only when: a file that was written later, by somebody else, is changed; one that
//! was not is as the session left it.

use std::collections::HashMap;
use std::time::Duration;

use shim_proto::checkpoint::v1::{
    CheckpointState, Claim, ClaimKind, ClaimVerdict as Verdict, EditedFile, FilePresence, FileState,
};

use crate::time::moment;

/// The edit is told after the file was written, by another clock than the file system's.
const SLACK: Duration = Duration::from_secs(2);

/// The files that a session was seen to edit.
pub(crate) struct Edits<'a> {
    files: &'a [EditedFile],
}

impl<'a> Edits<'a> {
    pub(crate) fn of(state: &'a CheckpointState) -> Self {
        let observed = state.observed.as_ref();
        Self {
            files: observed.map_or(&[], |observed| &observed.edited_files),
        }
    }

    /// The edits of a file that a checkpoint names.
    pub(crate) fn of_file(&self, path: &str) -> Option<&'a EditedFile> {
        self.files.iter().find(|edited| is_same(&edited.path, path))
    }

    /// The claims about those edited files that no checkpoint named.
    pub(crate) fn claims_beside(
        &self,
        named: &[FileState],
        now: &HashMap<&str, &FileState>,
    ) -> Vec<Claim> {
        let is_named =
            |edited: &&EditedFile| named.iter().any(|file| is_same(&edited.path, &file.path));
        let beside = self.files.iter().filter(|edited| !is_named(edited));
        beside
            .map(|edited| claim(edited, &edited.path, now.get(edited.path.as_str()).copied()))
            .collect()
    }
}

/// Whether two paths name one file, one of them perhaps relative to the project.
fn is_same(one: &str, other: &str) -> bool {
    let ends_with = |long: &str, short: &str| {
        !short.starts_with('/')
            && !short.is_empty()
            && long
                .strip_suffix(short)
                .is_some_and(|folder| folder.starts_with('/') && folder.ends_with('/'))
    };
    one == other || ends_with(one, other) || ends_with(other, one)
}

/// What became of a file since it was seen to be edited.
pub(crate) fn claim(edited: &EditedFile, path: &str, now: Option<&FileState>) -> Claim {
    let (verdict, detail) = match now {
        None => (Verdict::Unchecked, "nobody looked at it now".to_owned()),
        Some(now) => compare(edited, now),
    };
    Claim {
        kind: ClaimKind::File.into(),
        subject: path.to_owned(),
        verdict: verdict.into(),
        detail: format!("{detail}; {}", times(edited)),
    }
}

/// How often the session was seen to edit a file.
pub(crate) fn times(edited: &EditedFile) -> String {
    format!("edited {} time(s) (observed)", edited.edits.max(1))
}

/// Whether a file is as the session left it; `None` if that cannot be told.
pub(crate) fn is_as_left(edited: &EditedFile, now: &FileState) -> Option<bool> {
    let edited_at = moment(edited.last_edited_at.as_ref())?;
    let written_at = moment(now.modified_at.as_ref())?;
    Some(written_at <= edited_at.checked_add(SLACK)?)
}

fn compare(edited: &EditedFile, now: &FileState) -> (Verdict, String) {
    let (verdict, detail) = match (now.presence(), is_as_left(edited, now)) {
        (FilePresence::Unspecified, _) if now.note.is_empty() => {
            (Verdict::Unchecked, "nobody looked at it now")
        }
        (FilePresence::Unspecified, _) => (Verdict::Unchecked, ""),
        (FilePresence::Unreadable, _) => (Verdict::Unchecked, "cannot be read"),
        (FilePresence::Missing, _) => (Verdict::Missing, "is gone"),
        (FilePresence::Present, Some(true)) => (
            Verdict::Unchanged,
            "not written since; content not compared",
        ),
        (FilePresence::Present, Some(false)) => (Verdict::Changed, "written after the last edit"),
        (FilePresence::Present, None) => (Verdict::Unchecked, "is there; its time is not known"),
    };
    match (detail, now.note.as_str()) {
        (detail, "") => (verdict, detail.to_owned()),
        ("", note) => (verdict, note.to_owned()),
        (detail, note) => (verdict, format!("{detail} ({note})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verification::verify_claims;
    use shim_proto::checkpoint::v1::ObservedState;

    fn at(seconds: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds, nanos: 0 })
    }

    fn edited(path: &str, seconds: i64) -> EditedFile {
        EditedFile {
            path: path.into(),
            edits: 2,
            last_edited_at: at(seconds),
        }
    }

    fn now(path: &str, presence: FilePresence, seconds: i64) -> FileState {
        FileState {
            path: path.into(),
            presence: presence.into(),
            modified_at: at(seconds),
            blake3: "new".into(),
            ..FileState::default()
        }
    }

    fn claims(active: Vec<FileState>, edits: Vec<EditedFile>, seen: &[FileState]) -> Vec<Claim> {
        let state = CheckpointState {
            active_files: active,
            observed: Some(ObservedState {
                edited_files: edits,
                ..ObservedState::default()
            }),
            ..CheckpointState::default()
        };
        verify_claims(&state, seen, None)
    }

    #[test]
    fn an_edited_file_is_compared_by_when_it_was_written() {
        use FilePresence::{Missing, Present};
        for (seen, verdict) in [
            (Some(now("/p/a", Present, 99)), Verdict::Unchanged),
            (Some(now("/p/a", Present, 102)), Verdict::Unchanged),
            (Some(now("/p/a", Present, 103)), Verdict::Changed),
            (Some(now("/p/a", Missing, 0)), Verdict::Missing),
            (None, Verdict::Unchecked),
        ] {
            let seen: Vec<FileState> = seen.into_iter().collect();
            let claims = claims(vec![], vec![edited("/p/a", 100)], &seen);
            assert_eq!(claims.len(), 1);
            assert_eq!(claims[0].verdict(), verdict, "{seen:?}");
            assert!(
                claims[0].detail.ends_with("edited 2 time(s) (observed)"),
                "{claims:?}"
            );
        }
    }

    #[test]
    fn a_file_that_a_checkpoint_names_is_one_claim_with_its_edits() {
        let then = FileState {
            blake3: "old".into(),
            ..now("src/a.rs", FilePresence::Present, 50)
        };
        let seen = [now("src/a.rs", FilePresence::Present, 100)];
        let told = claims(vec![then], vec![edited("/p/src/a.rs", 100)], &seen);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].verdict(), Verdict::Changed);
        assert!(
            told[0].detail.contains("as the session left it"),
            "{told:?}"
        );
        let unseen = FileState {
            path: "/p/src/a.rs".into(),
            ..FileState::default()
        };
        let seen = [now("/p/src/a.rs", FilePresence::Present, 100)];
        let observed = claims(vec![unseen], vec![edited("/p/src/a.rs", 100)], &seen);
        assert_eq!(observed.len(), 1, "{observed:?}");
        assert_eq!(
            observed[0].verdict(),
            Verdict::Unchanged,
            "its edit is evidence"
        );
    }

    #[test]
    fn only_whole_names_make_paths_the_same() {
        assert!(is_same("/p/src/a.rs", "src/a.rs") && is_same("a.rs", "/p/a.rs"));
        for (one, other) in [
            ("/p/ba.rs", "a.rs"),
            ("/p/a.rs", "/q/a.rs"),
            ("/p/a.rs", ""),
        ] {
            assert!(!is_same(one, other), "{one} {other}");
        }
    }
}
