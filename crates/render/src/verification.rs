//! What a checkpoint claims, compared with evidence of the present: files, git and steps.
//!
//! A claim without evidence on either side is unchecked, never unchanged. The comparer looks at nothing itself: the
//! caller hands the evidence in.

use std::collections::{HashMap, HashSet};

use shim_proto::checkpoint::v1::{
    CheckpointState, Claim, ClaimKind, ClaimVerdict as Verdict, EditedFile, FilePresence,
    FileState, GitState,
};

use crate::edited_files::{self, Edits};
use crate::git_claims::check_git;
use crate::wording::normalised;

/// The claims of a checkpoint's state with their verdicts: files in their order, then those that the session was seen to
/// edit, then git, then steps.
#[must_use]
pub fn verify_claims(
    state: &CheckpointState,
    files_now: &[FileState],
    git_now: Option<&GitState>,
) -> Vec<Claim> {
    let now: HashMap<&str, &FileState> = files_now
        .iter()
        .map(|file| (file.path.as_str(), file))
        .collect();
    let edits = Edits::of(state);
    let mut claims: Vec<Claim> = state
        .active_files
        .iter()
        .map(|then| {
            let now = now.get(then.path.as_str()).copied();
            match edits.of_file(&then.path) {
                Some(edited) => check_edited_file(then, edited, now),
                None => check_file(then, now),
            }
        })
        .collect();
    claims.extend(edits.claims_beside(&state.active_files, &now));
    claims.extend(check_git(state.git.as_ref(), git_now));
    claims.extend(check_steps(state));
    claims
}

fn check_file(then: &FileState, now: Option<&FileState>) -> Claim {
    let (verdict, mut detail) = match now {
        None => (Verdict::Unchecked, "nobody looked at it now".to_owned()),
        Some(now) => compare_file(then, now),
    };
    if then.seen_at_number > 0 {
        detail.push_str(&format!(
            "; last seen for checkpoint {}",
            then.seen_at_number
        ));
    }
    claim(ClaimKind::File, &then.path, verdict, detail)
}

/// A file that the checkpoint names and that the session was seen to edit. Without evidence of the checkpoint, the edit is
/// the evidence.
fn check_edited_file(then: &FileState, edited: &EditedFile, now: Option<&FileState>) -> Claim {
    if then.presence() == FilePresence::Unspecified {
        return edited_files::claim(edited, &then.path, now);
    }
    let mut claim = check_file(then, now);
    if claim.verdict() == Verdict::Changed
        && now.and_then(|now| edited_files::is_as_left(edited, now)) == Some(true)
    {
        claim.detail.push_str("; as the session left it");
    }
    claim
        .detail
        .push_str(&format!("; {}", edited_files::times(edited)));
    claim
}

fn compare_file(then: &FileState, now: &FileState) -> (Verdict, String) {
    use FilePresence::Unspecified;
    match (then.presence(), now.presence()) {
        (Unspecified, _) => (
            Verdict::Unchecked,
            "the checkpoint has no evidence of it".into(),
        ),
        (_, Unspecified) if now.note.is_empty() => {
            (Verdict::Unchecked, "nobody looked at it now".into())
        }
        (_, Unspecified) => (Verdict::Unchecked, now.note.clone()),
        _ => {
            let (verdict, detail) = compare_seen(then, now);
            match now.note.as_str() {
                "" => (verdict, detail),
                note => (verdict, format!("{detail} ({note})")),
            }
        }
    }
}

fn compare_seen(then: &FileState, now: &FileState) -> (Verdict, String) {
    use FilePresence::{Missing, Present, Unreadable, Unspecified};
    match (then.presence(), now.presence()) {
        (Unspecified, _) | (_, Unspecified) => (Verdict::Unchecked, "was not seen".into()),
        (Missing, Missing) => (Verdict::Unchanged, "still does not exist".into()),
        (Missing, Present | Unreadable) => (Verdict::Changed, "was created since".into()),
        (Present | Unreadable, Missing) => (Verdict::Missing, "is gone".into()),
        (Unreadable, _) | (_, Unreadable) => (Verdict::Unchecked, "could not be read".into()),
        (Present, Present) => compare_content(then, now),
    }
}

fn compare_content(then: &FileState, now: &FileState) -> (Verdict, String) {
    let sizes = || format!("was {} bytes, is {} bytes", then.size_bytes, now.size_bytes);
    if !then.blake3.is_empty() && !now.blake3.is_empty() {
        return if then.blake3 == now.blake3 {
            (Verdict::Unchanged, "same content".into())
        } else if then.size_bytes == now.size_bytes {
            (Verdict::Changed, "same size, other content".into())
        } else {
            (Verdict::Changed, sizes())
        };
    }
    if then.size_bytes != now.size_bytes {
        (Verdict::Changed, sizes())
    } else if then.modified_at == now.modified_at {
        (
            Verdict::Unchanged,
            "same size and time; content not compared".into(),
        )
    } else {
        (
            Verdict::Unchecked,
            "same size, other time; content not compared".into(),
        )
    }
}

/// The steps of a state that are open: its next steps, but for those that it names as finished, too.
#[must_use]
pub fn open_steps(state: &CheckpointState) -> Vec<&String> {
    if state.completed_steps.is_empty() || state.next_steps.is_empty() {
        return state.next_steps.iter().collect();
    }
    let done: HashSet<String> = state
        .completed_steps
        .iter()
        .map(|step| normalised(step))
        .collect();
    let open = |step: &&String| !done.contains(&normalised(step));
    state.next_steps.iter().filter(open).collect()
}

/// Finished steps are done; next steps are open unless they were finished too.
fn check_steps(state: &CheckpointState) -> Vec<Claim> {
    let finished = state
        .completed_steps
        .iter()
        .map(|step| (step, Verdict::Done));
    let open = open_steps(state)
        .into_iter()
        .map(|step| (step, Verdict::Open));
    finished
        .chain(open)
        .map(|(step, verdict)| claim(ClaimKind::Step, step, verdict, String::new()))
        .collect()
}

fn claim(kind: ClaimKind, subject: &str, verdict: Verdict, detail: String) -> Claim {
    Claim {
        kind: kind.into(),
        subject: subject.to_owned(),
        verdict: verdict.into(),
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(presence: FilePresence, size_bytes: u64, blake3: &str) -> FileState {
        FileState {
            path: "a.rs".into(),
            presence: presence.into(),
            size_bytes,
            blake3: blake3.into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_note_says_where_a_file_was_seen_or_why_not() {
        use FilePresence::{Missing, Present, Unspecified};
        let detail = |presence, note: &str| {
            let now = FileState {
                note: note.into(),
                ..file(presence, 10, "aa")
            };
            compare_file(&file(Present, 10, "aa"), &now)
        };
        let cases = [
            (
                Unspecified,
                "",
                Verdict::Unchecked,
                "nobody looked at it now",
            ),
            (
                Unspecified,
                "/old is gone",
                Verdict::Unchecked,
                "/old is gone",
            ),
            (
                Present,
                "in /new",
                Verdict::Unchanged,
                "same content (in /new)",
            ),
            (Missing, "in /new", Verdict::Missing, "is gone (in /new)"),
        ];
        for (presence, note, verdict, text) in cases {
            assert_eq!(detail(presence, note), (verdict, text.to_owned()));
        }
    }

    fn verdict(then: FileState, now: Option<FileState>) -> Verdict {
        let state = CheckpointState {
            active_files: vec![then],
            ..Default::default()
        };
        verify_claims(&state, &now.into_iter().collect::<Vec<_>>(), None)[0].verdict()
    }

    #[test]
    fn files_are_compared_by_what_is_known_of_them() {
        use FilePresence::{Missing, Present, Unspecified};
        let then = || file(Present, 10, "aa");
        assert_eq!(
            verdict(then(), Some(file(Present, 10, "aa"))),
            Verdict::Unchanged
        );
        assert_eq!(
            verdict(then(), Some(file(Present, 10, "bb"))),
            Verdict::Changed
        );
        assert_eq!(
            verdict(then(), Some(file(Present, 11, ""))),
            Verdict::Changed
        );
        assert_eq!(
            verdict(then(), Some(file(Missing, 0, ""))),
            Verdict::Missing
        );
        assert_eq!(verdict(then(), None), Verdict::Unchecked);
        assert_eq!(
            verdict(file(Unspecified, 0, ""), Some(file(Present, 1, "aa"))),
            Verdict::Unchecked
        );
        assert_eq!(
            verdict(file(Missing, 0, ""), Some(file(Present, 1, "aa"))),
            Verdict::Changed
        );
    }

    #[test]
    fn a_finished_step_is_not_open_and_git_moves_are_seen() {
        let state = CheckpointState {
            completed_steps: vec!["write".into()],
            next_steps: vec!["write".into(), "test".into()],
            git: Some(GitState {
                head: "abc".into(),
                branch: "main".into(),
                ..GitState::default()
            }),
            ..Default::default()
        };
        let claims = verify_claims(
            &state,
            &[],
            Some(&GitState {
                head: "def".into(),
                branch: "main".into(),
                ..GitState::default()
            }),
        );
        let of = |subject: &str| {
            claims
                .iter()
                .filter(|c| c.subject == subject)
                .map(Claim::verdict)
                .collect::<Vec<_>>()
        };
        assert_eq!(of("HEAD"), [Verdict::Changed]);
        assert_eq!(of("branch"), [Verdict::Unchanged]);
        assert_eq!(of("write"), [Verdict::Done]);
        assert_eq!(of("test"), [Verdict::Open]);
    }
}
