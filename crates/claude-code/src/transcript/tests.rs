#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{
    FileUse, ObservedEvent, PlanStepStatus, PromptSubmitted, ToolCallFinished, ToolCallStarted,
    ToolOutcome, TurnEnded, TurnOutcome,
};

use super::samples::{ID, Sample};
use super::{Limits, ReadError, Transcript, read};

fn told(sample: &Sample) -> Transcript {
    read(&sample.write(), &Limits::default()).unwrap()
}

macro_rules! all {
    ($transcript:expr, $kind:ident) => {
        $transcript
            .events
            .iter()
            .filter_map(|event| match &event.event {
                Some(Event::$kind(told)) => Some(told.clone()),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
}

fn prompts(transcript: &Transcript) -> Vec<PromptSubmitted> {
    all!(transcript, PromptSubmitted)
}

fn open(transcript: &Transcript) -> Vec<ToolCallStarted> {
    all!(transcript, ToolCallStarted)
}

fn finished(transcript: &Transcript) -> Vec<ToolCallFinished> {
    all!(transcript, ToolCallFinished)
}

fn turns(transcript: &Transcript) -> Vec<TurnEnded> {
    all!(transcript, TurnEnded)
}

fn texts(transcript: &Transcript) -> Vec<String> {
    prompts(transcript)
        .into_iter()
        .map(|prompt| prompt.text)
        .collect()
}

/// A session that was killed in its second call.
fn killed() -> Sample {
    let mut sample = Sample::new();
    sample
        .line("queue-operation", json!({"operation": "enqueue", "content": "Write a and test it"}))
        .line("queue-operation", json!({"operation": "dequeue"}))
        .prompt("p1", "Write a and test it")
        .raw(format!(r#"{{"type":"api-request-blob","sessionId":"{ID}","message":{{"role":"user","content":"no prompt"}}}}"#))
        .assistant("msg-1", "tool_use", json!({"type": "text", "text": "I begin."}))
        .call("t1", "Write", json!({"file_path": "a.txt", "content": "secret words"}))
        .result("t1", "The file a.txt has been updated")
        .call("t2", "Bash", json!({"command": "cargo test", "description": "Run the tests"}))
        .line("last-prompt", json!({"lastPrompt": "Write a and test it"}));
    sample
}

#[test]
fn a_killed_session_tells_its_prompt_its_files_and_the_call_in_hand() {
    let transcript = told(&killed());
    assert_eq!(transcript.conversation, ID);
    assert_eq!((transcript.skipped_lines, transcript.is_cut), (0, false));
    assert_eq!(texts(&transcript), ["Write a and test it"]);
    assert_eq!(prompts(&transcript)[0].prompt_id, "p1");
    let written = &finished(&transcript)[0];
    assert_eq!(
        (written.tool_name.as_str(), written.outcome()),
        ("Write", ToolOutcome::Succeeded)
    );
    let files: Vec<_> = written
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.r#use()))
        .collect();
    assert_eq!(files, [("/work/app/a.txt", FileUse::Write)]);
    let [call] = &open(&transcript)[..] else {
        panic!("{:?}", open(&transcript));
    };
    assert_eq!(
        (call.tool_name.as_str(), call.summary.as_str()),
        ("Bash", "Run the tests")
    );
    assert!(turns(&transcript).is_empty());
    let event = transcript.events.first().unwrap();
    assert_eq!(
        (
            event.cwd.as_str(),
            event.client.as_ref().unwrap().version.as_str()
        ),
        ("/work/app", "2.1.332")
    );
    assert!(
        !format!("{transcript:?}").contains("secret words"),
        "contents of files are not told"
    );
}

#[test]
fn reading_again_gives_the_same_events_and_more_lines_give_more() {
    let mut sample = killed();
    let ids = |transcript: &Transcript| -> Vec<String> {
        transcript
            .events
            .iter()
            .map(|event| event.event_id.clone())
            .collect()
    };
    let first = told(&sample);
    assert_eq!(first, told(&sample));
    let unique: std::collections::BTreeSet<_> = ids(&first).into_iter().collect();
    assert_eq!(unique.len(), first.events.len());
    sample.result("t2", "ok").words("msg-3", "All tests pass.");
    let second = told(&sample);
    let open = "call of Bash, which is finished now";
    let kept = ids(&first)
        .iter()
        .filter(|id| ids(&second).contains(id))
        .count();
    // The call in hand and the newest figures are told otherwise.
    assert_eq!(kept, first.events.len() - 2, "{open}");
    assert_eq!(turns(&second)[0].last_answer, "All tests pass.");
}

#[test]
fn results_are_told_apart() {
    let mut sample = Sample::new();
    sample.prompt("p1", "Try");
    let cases = [
        (
            json!({"toolDenialKind": "user-rejected"}),
            "The user doesn't want to proceed",
            ToolOutcome::Interrupted,
        ),
        (
            json!({}),
            "The user doesn't want to proceed with this tool use",
            ToolOutcome::Interrupted,
        ),
        (
            json!({"toolDenialKind": "user-rejected", "permissionDecision": {"decision": "reject"}}),
            "no",
            ToolOutcome::Denied,
        ),
        (
            json!({"toolDenialKind": "permission-rule", "permissionDecision": {"decision": "reject"}}),
            "no",
            ToolOutcome::Denied,
        ),
        (
            json!({}),
            "Permission to use Bash with command x has been denied.",
            ToolOutcome::Denied,
        ),
        (
            json!({"toolUseResult": "Error"}),
            "<tool_use_error>Blocked: x</tool_use_error>",
            ToolOutcome::Failed,
        ),
    ];
    for (at, (fields, text, _)) in cases.iter().enumerate() {
        let id = format!("t{at}");
        sample
            .call(&id, "Bash", json!({"command": "x"}))
            .failure(&id, text, fields.clone());
    }
    sample.call("i", "Bash", json!({"command": "x"}));
    sample.line("user", json!({"toolUseResult": {"interrupted": true}, "message": {"content":
        [{"type": "tool_result", "tool_use_id": "i", "content": [{"type": "text", "text": "half"}]}]}}));
    let transcript = told(&sample);
    let outcomes: Vec<_> = finished(&transcript)
        .iter()
        .map(ToolCallFinished::outcome)
        .collect();
    let expected = cases
        .iter()
        .map(|case| case.2)
        .chain([ToolOutcome::Interrupted]);
    assert_eq!(outcomes, expected.collect::<Vec<_>>());
    assert_eq!(finished(&transcript)[5].error, "Blocked: x");
    assert!(open(&transcript).is_empty());
}

#[test]
fn a_call_whose_outcome_is_unknown_stays_open_until_the_turn_that_was_told_so_ends() {
    let mut sample = killed();
    let unknown =
        "[Tool call interrupted: the session ended before this call's result was recorded]";
    sample
        .failure("t2", unknown, json!({"toolDenialKind": "interrupted"}))
        .line("assistant", json!({"isApiErrorMessage": false, "message": {"model": "<synthetic>", "id": "s",
            "content": [{"type": "text", "text": "No response requested."}], "stop_reason": "stop_sequence"}}))
        .prompt("p2", "Go on");
    let transcript = told(&sample);
    assert_eq!(open(&transcript).len(), 1);
    assert!(
        turns(&transcript).is_empty(),
        "the client's own words are no answer"
    );
    sample.words("msg-9", "The tests pass.");
    let transcript = told(&sample);
    assert!(open(&transcript).is_empty());
    let last = finished(&transcript).pop().unwrap();
    assert_eq!(
        (last.tool_use_id.as_str(), last.outcome()),
        ("t2", ToolOutcome::Interrupted)
    );
    assert!(last.error.contains("unknown"), "{}", last.error);
}

#[test]
fn of_two_results_of_one_call_the_first_real_one_counts() {
    let mut sample = killed();
    sample.failure("t2", "[Tool call interrupted: the session ended", json!({}));
    sample.result("t2", "ok").failure("t2", "late", json!({}));
    let transcript = told(&sample);
    let results = finished(&transcript);
    assert_eq!(results.len(), 2);
    assert_eq!(results[1].outcome(), ToolOutcome::Succeeded);
    assert!(open(&transcript).is_empty());
}

#[test]
fn prompts_are_what_persons_gave() {
    let mut sample = Sample::new();
    let user = |text: &str| json!({"promptId": "c", "message": {"role": "user", "content": text}});
    sample
        .line("user", json!({"isMeta": true, "message": {"content": "<local-command-caveat>x</local-command-caveat>"}}))
        .line("user", user("<command-name>/clear</command-name>\n<command-message>clear</command-message>"))
        .prompt("p1", "First")
        .line("user", user("<bash-input>ls</bash-input>"))
        .line("user", user("[Request interrupted by user]"))
        .line("user", json!({"promptId": "p2", "message": {"content": [{"type": "text", "text": "Second"}, {"type": "image"}]}}))
        .line("queue-operation", json!({"operation": "enqueue", "content": "typed ahead"}))
        .line("queue-operation", json!({"operation": "remove", "content": "typed ahead", "reason": "absorbed_mid_turn"}))
        .line("attachment", json!({"attachment": {"type": "queued_command", "prompt": "typed ahead", "commandMode": "prompt",
            "origin": {"kind": "human"}}}))
        .line("attachment", json!({"attachment": {"type": "queued_command", "prompt": "<task-notification>x",
            "commandMode": "task-notification"}}))
        .line("queue-operation", json!({"operation": "enqueue", "content": "still waiting"}));
    let transcript = told(&sample);
    let given: Vec<_> = prompts(&transcript)
        .into_iter()
        .map(|it| (it.prompt_id, it.text, it.by_client))
        .collect();
    let expected = [
        ("p1", "First", false),
        ("p2", "Second", false),
        ("p2", "typed ahead", false),
        ("p2", "<task-notification>x", true),
        ("p2", "still waiting", false),
    ];
    let expected =
        expected.map(|(id, text, by_client)| (id.to_owned(), text.to_owned(), by_client));
    assert_eq!(given, expected);
}

#[test]
fn steps_and_compactions_and_folders_are_told() {
    let mut sample = Sample::new();
    sample
        .prompt("p1", "Plan")
        .call("t1", "TaskCreate", json!({"subject": "Write a", "description": "d"}))
        .line("user", json!({"toolUseResult": {"task": {"id": "7", "subject": "Write a"}}, "message": {"content":
            [{"type": "tool_result", "tool_use_id": "t1", "content": "Task #7 created"}]}}))
        .call("t2", "TodoWrite", json!({"todos": [{"content": "b", "status": "completed"}]}))
        .failure("t2", "No such tool available: TodoWrite", json!({}))
        .line("system", json!({"subtype": "compact_boundary", "compactMetadata": {"trigger": "auto", "preTokens": 9}}))
        .line("user", json!({"isCompactSummary": true, "isVisibleInTranscriptOnly": true, "message": {"content":
            "This session is being continued from another.\n\nWe wrote a."}}))
        .line("user", json!({"cwd": "/work/app/sub", "message": {"content": "Next"}}));
    let transcript = told(&sample);
    let plan = finished(&transcript)[0].plan.clone().unwrap();
    assert_eq!(
        (plan.steps[0].step_id.as_str(), plan.steps[0].status()),
        ("7", PlanStepStatus::Open)
    );
    assert_eq!(
        finished(&transcript)[1].plan,
        None,
        "a call that failed changed no step"
    );
    let compacted = all!(transcript, CompactionFinished);
    assert_eq!(
        (compacted[0].is_automatic, compacted[0].summary.as_str()),
        (true, "We wrote a.")
    );
    assert_eq!(all!(transcript, CwdChanged)[0].old_cwd, "/work/app");
    assert_eq!(texts(&transcript), ["Plan", "Next"]);
    assert_eq!(transcript.events.last().unwrap().cwd, "/work/app/sub");
}

#[test]
fn errors_of_the_api_end_a_turn() {
    for (error, text, outcome) in [
        (
            "rate_limit",
            "API Error: Request rejected (429)",
            TurnOutcome::UsageLimit,
        ),
        (
            "server_error",
            "API Error: 529 Overloaded.",
            TurnOutcome::Overloaded,
        ),
        (
            "authentication_failed",
            "Invalid API key",
            TurnOutcome::Unauthorized,
        ),
        (
            "invalid_request",
            "Prompt is too long",
            TurnOutcome::ContextFull,
        ),
        (
            "unknown",
            "API Error: Unable to connect",
            TurnOutcome::ApiError,
        ),
    ] {
        let mut sample = Sample::new();
        sample.prompt("p1", "Go").line("assistant", json!({"error": error, "isApiErrorMessage": true, "message":
            {"model": "<synthetic>", "id": "s", "content": [{"type": "text", "text": text}], "stop_reason": "stop_sequence"}}));
        let transcript = told(&sample);
        let [turn] = &turns(&transcript)[..] else {
            panic!("{error}");
        };
        assert_eq!(
            (turn.outcome(), turn.last_answer.as_str()),
            (outcome, ""),
            "{error}"
        );
        assert_eq!(turn.error, format!("{error}: {text}"));
    }
}

#[test]
fn the_words_of_one_message_are_one_answer_and_only_the_newest_is_kept() {
    let mut sample = Sample::new();
    sample
        .prompt("p1", "Go")
        .words("m1", "One.")
        .words("m1", "Two.")
        .prompt("p2", "On")
        .words("m2", "Three.");
    sample.line(
        "system",
        json!({"subtype": "turn_duration", "durationMs": 9}),
    );
    let answers = |transcript: &Transcript| -> Vec<String> {
        turns(transcript)
            .into_iter()
            .map(|turn| turn.last_answer)
            .collect()
    };
    assert_eq!(answers(&told(&sample)), ["", "Three."]);
    // Older versions do not write why a message ended.
    let mut older = Sample::new();
    older
        .prompt("p1", "Go")
        .assistant("m1", "", json!({"type": "text", "text": "One."}));
    assert!(turns(&told(&older)).is_empty());
    older.line("system", json!({"subtype": "stop_hook_summary"}));
    assert_eq!(answers(&told(&older)), ["One."]);
}

#[test]
fn figures_are_those_of_the_newest_message() {
    let mut sample = killed();
    sample.line(
        "cost-state",
        json!({"totalCostUSD": 0.5, "totalDuration": 2_500, "totalAPIDuration": 90,
        "totalLinesAdded": 4, "totalLinesRemoved": -1}),
    );
    let transcript = told(&sample);
    let [usage] = &all!(transcript, UsageMeasured)[..] else {
        panic!("{transcript:?}");
    };
    assert_eq!(
        (usage.context_tokens, usage.context_window),
        (Some(1_200), None)
    );
    assert_eq!(
        (usage.cost_usd, usage.lines_added, usage.lines_removed),
        (Some(0.5), Some(4), None)
    );
    assert_eq!(usage.model, "claude-opus-5-5");
}

#[test]
fn subagents_tell_their_calls_and_nobody_takes_their_prompts_for_a_persons() {
    let mut sample = killed();
    let folder = sample.folder.path().join(ID).join("subagents");
    std::fs::create_dir_all(&folder).unwrap();
    let mut agent = Sample::new();
    let side = json!({"isSidechain": true, "agentId": "a9", "message": {"content": "Look around"}});
    agent.line("user", side);
    let call =
        json!([{"type": "tool_use", "id": "s1", "name": "Read", "input": {"file_path": "/x"}}]);
    agent.line(
        "assistant",
        json!({"isSidechain": true, "agentId": "a9", "message": {"id": "m", "content": call}}),
    );
    std::fs::write(folder.join("agent-a9.jsonl"), agent.bytes()).unwrap();
    std::fs::write(
        folder.join("agent-a9.meta.json"),
        r#"{"agentType":"Explore","toolUseId":"t2"}"#,
    )
    .unwrap();
    std::fs::write(folder.join("agent-torn.jsonl"), b"{\"type\":\n\xff\n").unwrap();
    let transcript = told(&sample);
    assert_eq!(texts(&transcript), ["Write a and test it"]);
    let of_agent = |event: &&ObservedEvent| event.agent_id == "a9";
    assert_eq!(transcript.events.iter().filter(of_agent).count(), 2);
    assert_eq!(all!(transcript, SubagentStarted)[0].agent_type, "Explore");
    assert_eq!(open(&transcript).len(), 2);
    // The call that it worked for is lost, and with it what it had in hand.
    sample.words("m9", "Done.");
    let transcript = told(&sample);
    assert!(open(&transcript).is_empty(), "{:?}", open(&transcript));
    assert_eq!(all!(transcript, SubagentEnded).len(), 1);
    let refused = read(&folder.join("agent-a9.jsonl"), &Limits::default());
    let Err(ReadError::OfSubagent(own)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(own, sample.folder.path().join(format!("{ID}.jsonl")));
}

#[test]
fn a_text_that_was_cut_in_an_emoji_is_read() {
    let mut sample = killed();
    sample
        .prompt("p2", "Then HALF")
        .call("t3", "Bash", json!({"command": "echo HALF"}));
    let path = sample.write();
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, whole.replace("HALF", "\\ud83d")).unwrap();
    let transcript = read(&path, &Limits::default()).unwrap();
    assert_eq!(transcript.skipped_lines, 0);
    assert_eq!(texts(&transcript)[1], "Then \u{fffd}");
    assert_eq!(open(&transcript).last().unwrap().summary, "echo \u{fffd}");
}

#[test]
fn torn_foreign_and_endless_lines_are_passed_over() {
    let mut sample = killed();
    sample
        .raw(&b"\xff\xfe\x00binary"[..])
        .raw(r#"{"type":"user","sessionId":"#)
        .raw("[".repeat(100_000))
        .raw(r#"{"type":"user","sessionId":"another","message":{"content":"Not ours"}}"#)
        .raw(format!(r#"{{"type":"user","sessionId":"{ID}","message":"{}"}}"#, "x".repeat(2_000)))
        .raw(r#"{"type":7,"sessionId":[]}"#)
        .line("user", json!({"message": {"content": [{"type": "tool_result"}, 7, {"type": "text"}]}, "uuid": 7, "cwd": null}));
    let limits = Limits {
        line_bytes: 1_000,
        ..Limits::default()
    };
    let transcript = read(&sample.write(), &limits).unwrap();
    assert_eq!(transcript.skipped_lines, 5);
    assert_eq!(texts(&transcript), ["Write a and test it"]);
    assert_eq!(open(&transcript).len(), 1);
}

#[test]
fn what_is_no_transcript_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &Path| read(path, &Limits::default()).unwrap_err();
    assert!(matches!(
        refused(&folder.path().join("none")),
        ReadError::Open(_)
    ));
    assert!(matches!(refused(folder.path()), ReadError::Open(_)));
    for content in ["", "hello\n", "{\"type\":\"user\"}\n", "[]"] {
        let path = folder.path().join("x.jsonl");
        std::fs::write(&path, content).unwrap();
        assert!(matches!(refused(&path), ReadError::Foreign), "{content}");
    }
}

#[test]
fn a_renamed_file_is_of_the_conversation_that_its_lines_name() {
    let sample = killed();
    for name in ["copy.jsonl", "11111111-472f-4fde-b675-86c5460d483c.jsonl"] {
        let path = sample.folder.path().join(name);
        std::fs::write(&path, sample.bytes()).unwrap();
        let transcript = read(&path, &Limits::default()).unwrap();
        assert_eq!(transcript.conversation, ID, "{name}");
        assert_eq!(transcript.skipped_lines, 0);
    }
}

#[test]
fn of_a_giant_file_nothing_is_claimed_that_the_left_out_part_may_contradict() {
    let mut sample = killed();
    let filler = |sample: &mut Sample, from: u32| {
        for at in from..from + 200 {
            let id = format!("f{at}");
            sample
                .call(&id, "Read", json!({"file_path": "/x"}))
                .result(&id, "x");
        }
    };
    filler(&mut sample, 0);
    sample.result("t2", "ok").prompt("p2", "The later task");
    filler(&mut sample, 200);
    sample.call("t9", "Edit", json!({"file_path": "b.txt"}));
    sample.line("last-prompt", json!({"lastPrompt": "The later task"}));
    let limits = Limits {
        head_bytes: 4_000,
        tail_bytes: 6_000,
        ..Limits::default()
    };
    let transcript = read(&sample.write(), &limits).unwrap();
    assert!(transcript.is_cut);
    assert_eq!(
        texts(&transcript),
        ["Write a and test it", "The later task"]
    );
    let open: Vec<_> = open(&transcript)
        .into_iter()
        .map(|call| call.tool_use_id)
        .collect();
    assert_eq!(open, ["t9"], "the end of t2 may stand in what was left out");
    let few = Limits {
        events: 10,
        ..Limits::default()
    };
    let transcript = read(&sample.write(), &few).unwrap();
    assert!(transcript.is_cut);
    assert_eq!(transcript.events.len(), 11);
    assert_eq!(texts(&transcript)[0], "Write a and test it");
}

#[test]
fn times_beyond_the_present_or_none_are_set_right() {
    let mut sample = Sample::new();
    sample.raw(format!(
        r#"{{"type":"user","sessionId":"{ID}","uuid":"0","message":{{"content":"Zero"}}}}"#
    ));
    sample.prompt("p1", "One");
    sample.line(
        "user",
        json!({"timestamp": "9999-01-01T00:00:00Z", "message": {"content": "Two"}}),
    );
    sample.line(
        "user",
        json!({"timestamp": "yesterday", "message": {"content": "Three"}}),
    );
    let transcript = told(&sample);
    assert_eq!(texts(&transcript), ["Zero", "One", "Two", "Three"]);
    let now = prost_types::Timestamp::from(std::time::SystemTime::now());
    assert!(
        transcript
            .events
            .iter()
            .all(|it| (1..=now.seconds).contains(&it.at.unwrap().seconds))
    );
}

fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let torn = (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| {
        let mut bytes = killed().bytes();
        let at = at.index(bytes.len());
        bytes.truncate(at);
        bytes.push(byte);
        bytes
    });
    let kinds = prop::sample::select(vec![
        "user",
        "assistant",
        "system",
        "attachment",
        "queue-operation",
        "last-prompt",
    ]);
    let values = prop::sample::select(vec![
        json!(null),
        json!(7),
        json!("x"),
        json!([]),
        json!({}),
        json!(true),
        json!([{"type": "tool_use"}]),
        json!({"content": [{"type": "tool_use", "id": "t", "name": "Edit", "input": {"file_path": "a"}}]}),
        json!({"content": [{"type": "tool_result", "tool_use_id": "t", "content": 7}], "id": 7, "usage": []}),
        json!({"type": "queued_command", "prompt": "x"}),
    ]);
    let names = [
        "message",
        "timestamp",
        "uuid",
        "content",
        "operation",
        "attachment",
        "subtype",
        "cwd",
        "isSidechain",
    ];
    let fields = proptest::collection::vec((prop::sample::select(names.to_vec()), values), 0..6);
    let line = (kinds, fields).prop_map(|(kind, fields)| {
        let mut line: Value = json!({"type": kind, "sessionId": ID});
        line.as_object_mut().unwrap().extend(
            fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        line.to_string().into_bytes()
    });
    prop_oneof![line, torn, proptest::collection::vec(any::<u8>(), 0..200)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_lines_are_read_alike_and_give_events_that_can_be_kept(
        lines in proptest::collection::vec(any_line(), 0..20),
        (head, tail, line_bytes) in (0..2_000_u64, 0..4_000_u64, 0..2_000_usize),
    ) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for line in &lines {
            file.write_all(line).unwrap();
            file.write_all(b"\n").unwrap();
        }
        let limits = Limits { head_bytes: head, tail_bytes: tail, line_bytes, ..Limits::default() };
        if let Ok(transcript) = read(file.path(), &limits) {
            prop_assert_eq!(&transcript, &read(file.path(), &limits).unwrap());
            let ids: std::collections::BTreeSet<_> = transcript.events.iter().map(|it| &it.event_id).collect();
            prop_assert!(ids.len() <= transcript.events.len());
            for event in &transcript.events {
                prop_assert!(event.at.is_some() && event.conversation.len() <= 200 && event.event.is_some());
            }
        }
    }
}
