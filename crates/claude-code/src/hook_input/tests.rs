#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]
use super::*;
use serde_json::{Value, json};
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{
    ClientInfo, FileUse, SessionEndReason, SessionStartSource, ToolOutcome, TurnOutcome,
};
use std::time::{Duration, UNIX_EPOCH};
use uuid::Uuid;

fn surroundings() -> Surroundings {
    Surroundings {
        client: ClientInfo {
            name: "claude-code".into(),
            hostname: "box".into(),
            ..ClientInfo::default()
        },
        event_id: Uuid::nil(),
        now: UNIX_EPOCH + Duration::from_secs(7),
    }
}

/// A hook's input as the client writes it.
fn input(hook: &str, more: Value) -> HookInput {
    let mut fields = json!({
        "session_id": "c0ffee", "transcript_path": "/home/ann/.claude/projects/p/c0ffee.jsonl",
        "cwd": "/p", "hook_event_name": hook, "prompt_id": "p1", "permission_mode": "default",
    });
    fields
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    parse(fields.to_string().as_bytes(), &surroundings()).unwrap()
}

fn event(hook: &str, more: Value) -> Event {
    input(hook, more).event.unwrap().event.unwrap()
}

#[test]
fn an_event_names_its_conversation_and_its_client() {
    let read = input(
        "UserPromptSubmit",
        json!({"prompt": "Mend it", "agent_id": "a7"}),
    );
    let event = read.event.unwrap();
    assert_eq!(
        (event.conversation.as_str(), event.cwd.as_str()),
        ("c0ffee", "/p")
    );
    assert_eq!(event.agent_id, "a7");
    assert_eq!(event.event_id, Uuid::nil().to_string());
    assert_eq!(event.at.unwrap().seconds, 7);
    let client = event.client.unwrap();
    assert_eq!(
        (client.conversation.as_str(), client.hostname.as_str()),
        ("c0ffee", "box")
    );
}

#[test]
fn starts_prompts_and_ends_are_told_apart() {
    for (source, expected) in [
        ("startup", SessionStartSource::Startup),
        ("resume", SessionStartSource::Resume),
        ("clear", SessionStartSource::Clear),
        ("compact", SessionStartSource::Compact),
        ("fork", SessionStartSource::Fork),
        ("of a later version", SessionStartSource::Startup),
    ] {
        let more = json!({"source": source, "model": "m", "context_tokens": 12});
        let Event::SessionStarted(started) = event("SessionStart", more) else {
            panic!("{source}")
        };
        assert_eq!(
            (started.source(), started.context_tokens),
            (expected, Some(12)),
            "{source}"
        );
    }
    for (prompt, by_client) in [
        ("Mend it", false),
        ("/shim:status", false),
        ("what does <task-notification> mean?", false),
        ("<task-notification>\n<task-id>b1</task-id>", true),
        ("\n<system-reminder>restarted</system-reminder>", true),
    ] {
        let Event::PromptSubmitted(submitted) =
            event("UserPromptSubmit", json!({ "prompt": prompt }))
        else {
            panic!("{prompt}")
        };
        assert_eq!(
            (submitted.by_client, submitted.prompt_id.as_str()),
            (by_client, "p1"),
            "{prompt}"
        );
    }
    for (reason, expected) in [
        ("other", SessionEndReason::Other),
        ("clear", SessionEndReason::Clear),
        ("resume", SessionEndReason::Resume),
        ("prompt_input_exit", SessionEndReason::Exit),
        ("logout", SessionEndReason::Logout),
        ("", SessionEndReason::Other),
    ] {
        let Event::SessionEnded(ended) = event("SessionEnd", json!({ "reason": reason })) else {
            panic!("{reason}")
        };
        assert_eq!(ended.reason(), expected, "{reason}");
    }
}

#[test]
fn a_tool_call_keeps_its_size_and_its_outcome_and_no_content() {
    let edit = json!({
        "tool_name": "Edit", "tool_use_id": "toolu_1", "duration_ms": 1_250,
        "tool_input": {"file_path": "a.rs", "new_string": "SECRET"},
        "tool_response": {"filePath": "/p/a.rs", "originalFile": "SECRET"},
    });
    let before = input("PreToolUse", edit.clone());
    assert_eq!((before.tool_name.as_str(), before.files.len()), ("Edit", 1));
    assert_eq!(before.files[0].r#use(), FileUse::Write);
    let Some(Event::ToolCallStarted(started)) = before.event.unwrap().event else {
        panic!()
    };
    assert_eq!(
        (started.tool_use_id.as_str(), started.summary.as_str()),
        ("toolu_1", "a.rs")
    );
    let Event::ToolCallFinished(finished) = event("PostToolUse", edit) else {
        panic!()
    };
    assert_eq!(finished.outcome(), ToolOutcome::Succeeded);
    assert_eq!(finished.duration.unwrap().nanos, 250_000_000);
    assert_eq!(
        finished.result_bytes,
        r#"{"filePath":"/p/a.rs","originalFile":"SECRET"}"#.len() as u64
    );
    assert!(!format!("{finished:?}").contains("SECRET"));

    let call = |more: Value| {
        let mut fields =
            json!({"tool_name": "Bash", "tool_use_id": "toolu_2", "tool_input": {"command": "ls"}});
        fields
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        fields
    };
    let outcome = |hook: &str, more: Value| {
        let Event::ToolCallFinished(finished) = event(hook, call(more)) else {
            panic!()
        };
        (finished.outcome(), finished.error)
    };
    let failed = outcome(
        "PostToolUseFailure",
        json!({"error": "Exit code 1\nSECRET"}),
    );
    assert_eq!(failed, (ToolOutcome::Failed, "Exit code 1".to_owned()));
    let stopped = outcome(
        "PostToolUseFailure",
        json!({"error": "x", "is_interrupt": true}),
    );
    assert_eq!(stopped.0, ToolOutcome::Interrupted);
    let stopped = outcome(
        "PostToolUse",
        json!({"tool_response": {"interrupted": true}}),
    );
    assert_eq!(stopped.0, ToolOutcome::Interrupted);
}

#[test]
fn the_way_a_turn_ended_is_read_from_the_clients_words() {
    let stopped = json!({"stop_hook_active": true, "last_assistant_message": "Done.", "background_tasks": [{"id": "b"}]});
    let read = input("Stop", stopped.clone());
    assert!(read.stop_hook_active);
    let Event::TurnEnded(ended) = event("Stop", stopped) else {
        panic!()
    };
    assert_eq!(
        (ended.outcome(), ended.background_tasks, ended.was_continued),
        (TurnOutcome::Completed, 1, true)
    );
    assert_eq!(ended.last_answer, "Done.");
    for (kind, details, expected) in [
        ("rate_limit", "", TurnOutcome::UsageLimit),
        ("billing_error", "", TurnOutcome::UsageLimit),
        ("overloaded", "529", TurnOutcome::Overloaded),
        ("server_error", "", TurnOutcome::Overloaded),
        ("authentication_failed", "", TurnOutcome::Unauthorized),
        (
            "invalid_request",
            "Prompt is too long: 210000 tokens",
            TurnOutcome::ContextFull,
        ),
        ("invalid_request", "unknown field", TurnOutcome::ApiError),
        ("", "", TurnOutcome::ApiError),
        ("of a later version", "", TurnOutcome::ApiError),
    ] {
        let Event::TurnEnded(ended) = event(
            "StopFailure",
            json!({"error": kind, "error_details": details}),
        ) else {
            panic!()
        };
        assert_eq!(ended.outcome(), expected, "{kind} {details}");
        assert!(ended.error.starts_with(kind), "{}", ended.error);
    }
}

#[test]
fn compactions_folders_and_subagents_are_told() {
    let Event::CompactionStarted(started) = event("PreCompact", json!({"trigger": "auto"})) else {
        panic!()
    };
    assert!(started.is_automatic);
    let more = json!({"trigger": "manual", "compact_summary": "x".repeat(70_000)});
    let Event::CompactionFinished(finished) = event("PostCompact", more) else {
        panic!()
    };
    assert!(!finished.is_automatic && finished.summary.len() <= 65_536);
    let Event::CwdChanged(changed) = event(
        "CwdChanged",
        json!({"old_cwd": "/p", "new_cwd": "/q", "cwd": "/q"}),
    ) else {
        panic!()
    };
    assert_eq!(changed.old_cwd, "/p");
    let named = json!({"agent_id": "a1", "agent_type": "Explore"});
    assert!(
        matches!(event("SubagentStart", named.clone()), Event::SubagentStarted(it) if it.agent_type == "Explore")
    );
    assert!(matches!(
        event("SubagentStop", named),
        Event::SubagentEnded(_)
    ));
    assert!(
        input("SubagentStop", json!({"agent_id": "a1", "agent_type": ""}))
            .event
            .is_none(),
        "the one that summarises"
    );
}

#[test]
fn what_is_not_known_is_no_event() {
    for (hook, more) in [
        ("Notification", json!({"message": "x"})),
        ("OfALaterVersion", json!({})),
        ("PreToolUse", json!({"tool_name": "Edit"})),
        ("PostToolUse", json!({"tool_use_id": "t", "tool_name": 7})),
        ("Stop", json!({"session_id": 7})),
        ("Stop", json!({"session_id": "x".repeat(201)})),
    ] {
        let read = input(hook, more);
        assert_eq!(read.name, hook);
        assert!(read.event.is_none(), "{hook}");
    }
    for bad in [
        "",
        "{",
        "null",
        "[]",
        "7",
        "{}",
        r#"{"hook_event_name": 7}"#,
        r#"{"hook_event_name": ""}"#,
    ] {
        assert!(parse(bad.as_bytes(), &surroundings()).is_err(), "{bad}");
    }
}

/// Every field of every hook with values of every type, and every input cut short at every byte.
#[test]
fn no_input_is_a_fault() {
    let hooks = [
        "SessionStart",
        "UserPromptSubmit",
        "PreToolUse",
        "PostToolUse",
        "PostToolUseFailure",
        "PreCompact",
        "PostCompact",
        "Stop",
        "StopFailure",
        "SubagentStart",
        "SubagentStop",
        "CwdChanged",
        "SessionEnd",
    ];
    let fields = [
        "session_id",
        "cwd",
        "source",
        "prompt",
        "tool_name",
        "tool_input",
        "tool_response",
        "tool_use_id",
        "error",
        "reason",
        "trigger",
        "background_tasks",
        "duration_ms",
        "agent_id",
        "agent_type",
        "stop_hook_active",
    ];
    let odd = [
        json!(null),
        json!(-1),
        json!(1e300),
        json!(u64::MAX),
        json!(true),
        json!(""),
        json!("\u{0}"),
        json!("é".repeat(9_000)),
        json!([]),
        json!({}),
        json!([[[{}]]]),
    ];
    for hook in hooks {
        let mut known =
            json!({"tool_name": "Edit", "tool_use_id": "t", "agent_id": "a", "agent_type": "b"});
        for field in fields {
            for value in &odd {
                known[field] = value.clone();
                let _ = input(hook, known.clone());
            }
        }
        let whole = json!({"hook_event_name": hook, "session_id": "s", "prompt": "é", "tool_input": {"a": [1]}}).to_string();
        for end in 0..whole.len() {
            assert!(
                parse(&whole.as_bytes()[..end], &surroundings()).is_err(),
                "{hook} {end}"
            );
        }
    }
    let deep = format!(
        r#"{{"hook_event_name":"Stop","x":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert!(parse(deep.as_bytes(), &surroundings()).is_err());
}

#[test]
fn a_text_that_was_cut_in_an_emoji_is_read() {
    let edit = json!({"session_id": "c0ffee", "cwd": "/p", "hook_event_name": "PreToolUse", "tool_name": "Edit",
        "tool_use_id": "t1", "tool_input": {"file_path": "a.rs", "new_string": "HALF"}});
    let edit = edit.to_string().replace("HALF", "\\ud83d");
    let read = parse(edit.as_bytes(), &surroundings()).unwrap();
    assert!(read.event.is_some() && read.writes());
    assert_eq!(read.files[0].path, "/p/a.rs");
}
