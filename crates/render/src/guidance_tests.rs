//! What is said by itself, and that it stays short and plants nothing.

use proptest::prelude::*;
use shim_proto::checkpoint::v1::{EditedFile, ObservedState};

use super::*;
use crate::text::weight;

fn session(id: &str, cause: InterruptionCause) -> Session {
    Session {
        id: id.into(),
        interruption: Some(Interruption {
            cause: cause.into(),
            evidence: "the client's process is gone without a goodbye".into(),
            ..Interruption::default()
        }),
        ..Session::default()
    }
}

fn observed(prompt: &str) -> CheckpointState {
    CheckpointState {
        current_task: prompt.into(),
        is_task_observed: true,
        observed: Some(ObservedState {
            last_prompt: prompt.into(),
            cwd: "/p".into(),
            open_tool_calls: vec![OpenToolCall {
                tool_name: "Bash".into(),
                summary: "cargo test".into(),
                ..OpenToolCall::default()
            }],
            edited_files: vec![EditedFile {
                path: "/p/src/a.rs".into(),
                edits: 1,
                ..EditedFile::default()
            }],
            ..ObservedState::default()
        }),
        ..CheckpointState::default()
    }
}

const AGE: Duration = Duration::from_secs(180);

#[test]
fn what_was_interrupted_here_is_told_with_the_way_back() {
    let (one, other) = (
        session("s-1", InterruptionCause::Killed),
        session("s-2", InterruptionCause::UsageLimit),
    );
    let (state, told) = (
        observed("port the lexer"),
        CheckpointState {
            current_task: "release".into(),
            progress: 0.4,
            next_steps: vec!["tag".into()],
            ..CheckpointState::default()
        },
    );
    let of = |session, state| Interrupted {
        session,
        state,
        age: AGE,
    };
    let text = at_start(&[of(&one, &state), of(&other, &told)], 3, None);
    for part in [
        "Session s-1: killed, 3 min ago (the client's process is gone",
        "Task (observed, the last prompt): \"port the lexer\"",
        "outcome unknown: Bash \"cargo test\"",
        "Edited files (observed): 1 (src/a.rs)",
        "shim_check_recovery action=restore session_id=s-1 or with /shim:resume",
        "Also session s-2: usage limit reached, 3 min ago: \"release\"",
        "3 more; shim_check_recovery lists them.",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = at_start(&[of(&other, &told)], 0, None);
    for part in ["Task: \"release\", 40 % done.", "Next open step: \"tag\"."] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for absent in ["observed", "more;"] {
        assert!(!text.contains(absent), "{absent}: {text}");
    }
    assert_eq!(at_start(&[], 3, None), "");
}

#[test]
fn a_compaction_brings_back_what_was_told_and_nothing_if_nothing_was() {
    let state = CheckpointState {
        current_task: "port".into(),
        decisions: vec!["old".into(), "new".into()],
        next_steps: vec!["done".into(), "strings".into()],
        completed_steps: vec!["done".into()],
        ..CheckpointState::default()
    };
    let text = at_compaction(&state, 7);
    assert!(text.contains("checkpoint 7"), "{text}");
    assert!(
        text.contains("Open steps, in order: \"strings\"."),
        "{text}"
    );
    assert!(
        text.contains("Decisions, the newest first: \"new\"; \"old\"."),
        "{text}"
    );
    assert_eq!(at_compaction(&observed("port"), 7), "");
    assert_eq!(at_compaction(&CheckpointState::default(), 1), "");
}

#[test]
fn a_resumed_conversation_hears_only_what_changed() {
    assert_eq!(at_resume("s", &[], None, None), "");
    let state = observed("port");
    let calls = &state
        .observed
        .as_ref()
        .map(|seen| seen.open_tool_calls.clone());
    let text = at_resume("s", calls.as_deref().unwrap_or_default(), None, None);
    assert!(
        text.contains("outcome unknown: Bash \"cargo test\""),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1);
    let taken = TakenOver {
        owner: "claude-code (pid 7 on box)".into(),
        head_number: 12,
    };
    let text = at_resume("s", &[], Some(&taken), None);
    assert!(
        text.contains(
            "claude-code (pid 7 on box) took over its session s, which is at checkpoint 12"
        ),
        "{text}"
    );
}

proptest! {
    #[test]
    fn it_is_never_long_and_no_text_of_others_begins_a_line(
        hostile in "(\n|\r|\u{2028}|SHIM: |## |- |\"|\\\\|ä|x|\u{202e}){0,400}",
        many in 0_usize..60,
    ) {
        let mut state = observed(&hostile);
        if let Some(seen) = state.observed.as_mut() {
            let call = OpenToolCall { tool_name: hostile.clone(), summary: hostile.clone(), ..OpenToolCall::default() };
            seen.open_tool_calls = vec![call; many];
            let file = EditedFile { path: format!("/p/{hostile}"), ..EditedFile::default() };
            seen.edited_files = vec![file; many];
            seen.last_turn_error = hostile.clone();
            seen.last_turn_outcome = 2;
        }
        state.next_steps = vec![hostile.clone(); many];
        state.decisions = vec![hostile.clone(); many];
        let one = session("s-1", InterruptionCause::Killed);
        let found = vec![Interrupted { session: &one, state: &state, age: AGE }; 1 + many];
        let calls = state.observed.as_ref().map_or(&[][..], |seen| &seen.open_tool_calls);
        let told = CheckpointState { is_task_observed: false, ..state.clone() };
        for (text, max) in [
            (at_start(&found, many, None), MAX_GUIDANCE),
            (at_compaction(&told, 3), MAX_AT_COMPACTION),
            (at_resume("s", calls, None, None), MAX_GUIDANCE),
        ] {
            prop_assert!(weight(&text) <= max, "{}", weight(&text));
            for line in text.lines() {
                let is_ours = ["SHIM: ", "Session s-1: ", "Task", "In hand", "Edited", "The last turn", "Next open", "It comes back",
                    "Also session", "Open steps", "Decisions", "Blockers"].iter().any(|begin| line.starts_with(begin));
                let is_count = line.ends_with("more; shim_check_recovery lists them.");
                prop_assert!(is_ours || is_count, "{line:?}");
                prop_assert!(!line.chars().any(crate::hidden::is_hidden), "{line:?}");
            }
        }
    }
}
