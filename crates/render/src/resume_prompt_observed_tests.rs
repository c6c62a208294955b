//! What the prompt says of what was observed, and that no state makes it long.

use proptest::prelude::*;
use shim_proto::checkpoint::v1::{EditedFile, ObservedState, OpenToolCall, PlanStep, TurnOutcome};

use super::tests::{RESTORED, changed, prompt_for};
use super::*;
use crate::text::weight;

/// What was observed of a session whose model told nothing.
fn observed_state() -> CheckpointState {
    CheckpointState {
        current_task: "port the lexer".into(),
        is_task_observed: true,
        next_steps: vec!["strings".into()],
        summary: "Tokens are done.".into(),
        observed: Some(ObservedState {
            last_prompt: "port the lexer\nand keep the tests".into(),
            first_prompt: "hello".into(),
            last_answer: "Tokens are done.".into(),
            edited_files: vec![EditedFile {
                path: "/p/a.rs".into(),
                edits: 2,
                last_edited_at: Some(prost_types::Timestamp::default()),
            }],
            open_tool_calls: vec![OpenToolCall {
                tool_name: "Bash".into(),
                summary: "cargo test".into(),
                ..OpenToolCall::default()
            }],
            plan: vec![PlanStep {
                text: "strings".into(),
                ..PlanStep::default()
            }],
            is_in_turn: true,
            ..ObservedState::default()
        }),
        ..CheckpointState::default()
    }
}

#[test]
fn what_was_observed_is_marked_so_and_said_once() {
    let text = prompt_for(&observed_state(), &[], RESTORED);
    for part in [
        "Progress: not told, saved 10 min ago as checkpoint 7",
        "All of it was observed of the client; the model saved nothing by itself.",
        "When it was last seen, a turn was running (observed).",
        "Task (observed, the last prompt): port the lexer",
        "check before repeating)\n- Bash \"cargo test\"",
        "## Open steps of the model's own list (observed)\n- strings",
        "- /p/a.rs: unchecked (nobody looked at it now; edited 2 time(s) (observed))",
        "## The first prompt (observed)\n> hello",
        "## The last answer, or the client's summary (observed)\n> Tokens are done.",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for once in ["port the lexer", "strings", "Tokens are done."] {
        assert_eq!(text.matches(once).count(), 1, "{once}: {text}");
    }
}

#[test]
fn what_was_observed_stands_beside_what_was_told_and_never_in_it() {
    let state = CheckpointState {
        current_task: "release 1.2".into(),
        progress: 0.5,
        is_task_observed: false,
        summary: String::new(),
        next_steps: vec!["tag".into()],
        observed: observed_state().observed.map(|seen| ObservedState {
            last_turn_outcome: TurnOutcome::UsageLimit.into(),
            last_turn_error: "resets at 3pm".into(),
            ..seen
        }),
        ..observed_state()
    };
    let text = prompt_for(&state, &[], RESTORED);
    for part in [
        "Progress: 50 %",
        "but for what is marked (observed)",
        "The last turn failed (observed): the usage limit was reached (\"resets at 3pm\").",
        "\n\nTask: release 1.2\n",
        "## Open steps, in order\n- tag\n",
        "## The last prompt (observed)\n> port the lexer\n> and keep the tests",
        "## Open steps of the model's own list (observed)\n- strings",
        "## The model's last answer (observed)\n> Tokens are done.",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let told = prompt_for(
        &CheckpointState {
            observed: None,
            ..state
        },
        &[],
        RESTORED,
    );
    assert!(!told.contains("observed"), "{told}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever a session holds, the prompt fits a client's limit as text and as JSON, and names the task, an open step and a
    /// call in hand.
    #[test]
    fn no_state_makes_a_long_prompt_or_pushes_out_what_must_be_there(
        sizes in prop::array::uniform9(0_usize..1_200),
        bytes in prop::array::uniform9(1_usize..3_000),
        unit in prop::sample::select(vec!["a", "ä", "\u{1f600}", "\"", "\\", "\n", "\u{202e}", "x\r\n- "]),
        is_task_observed in any::<bool>(),
    ) {
        let text = |at: usize| unit.repeat(bytes[at] / unit.len() + 1);
        let list = |at: usize| vec![format!("z{}", text(at)); sizes[at].min(10_000 / bytes[at])];
        let call = |n: usize| OpenToolCall { tool_name: format!("Tool{n}"), summary: text(0), ..OpenToolCall::default() };
        let state = CheckpointState {
            current_task: format!("MUST{}", text(0)),
            decisions: list(1),
            next_steps: [vec!["FIRST".to_owned()], list(2)].concat(),
            completed_steps: list(3), blockers: list(4),
            left_open_steps: list(5),
            retracted_decisions: list(5),
            summary: text(6).repeat(4),
            active_files: list(7).iter().map(|path| changed(path)).collect(),
            is_task_observed,
            observed: Some(ObservedState {
                last_prompt: text(8).repeat(3),
                first_prompt: text(1).repeat(3),
                last_answer: text(2).repeat(3),
                compaction_summary: text(3).repeat(4),
                last_turn_error: text(4),
                last_turn_outcome: 3,
                open_tool_calls: (0..1 + sizes[8] % 50).map(call).collect(),
                edited_files: list(8).into_iter().map(|path| EditedFile { path, ..EditedFile::default() }).collect(),
                plan: list(7).into_iter().map(|text| PlanStep { text, ..PlanStep::default() }).collect(),
                ..ObservedState::default()
            }),
            ..CheckpointState::default()
        };
        let text = prompt_for(&state, &[], RESTORED);
        let json = serde_json::to_string(&text).unwrap_or_default();
        prop_assert!(weight(&text) <= MAX_PROMPT, "{}", weight(&text));
        prop_assert!(json.encode_utf16().count() <= MAX_PROMPT + 2, "{}", json.len());
        prop_assert!(text.contains("MUST") && text.contains("FIRST") && text.contains("- Tool"), "{text}");
        prop_assert!(text.ends_with('\n') && text.starts_with("# Resumed session\n\n"), "{text}");
    }
}
