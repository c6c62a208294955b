//! What lines become as progress.

#![allow(clippy::unwrap_used)]
use serde_json::json;
use shim_runtime::ids::CheckpointId;

use super::*;
use crate::executor::tool_calls::MAX_UNFINISHED;

fn push(transcript: &mut Transcript, line: &Value) -> ProgressUpdate {
    transcript.push(line.to_string().as_bytes())
}

fn assistant_line(id: &str, block: &Value, tokens: [u64; 3]) -> Value {
    let [input, cached, output] = tokens;
    let usage =
        json!({"input_tokens": input, "cache_read_input_tokens": cached, "output_tokens": output});
    json!({"type": "assistant", "message": {"id": id, "content": [block], "usage": usage}})
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn call(name: &str, input: &Value) -> Value {
    json!({"type": "tool_use", "id": "call-1", "name": name, "input": input})
}

#[test]
fn the_parts_of_a_message_are_counted_once_and_the_result_brings_the_rest() {
    let mut transcript = Transcript::default();
    let updates = [
        push(
            &mut transcript,
            &json!({"type": "system", "subtype": "init"}),
        ),
        push(
            &mut transcript,
            &assistant_line("m1", &text("Looking"), [10, 100, 1]),
        ),
        push(
            &mut transcript,
            &assistant_line("m1", &call("Bash", &json!({"command": "ls"})), [10, 100, 5]),
        ),
        push(
            &mut transcript,
            &assistant_line("m2", &text("Done"), [20, 0, 7]),
        ),
        push(
            &mut transcript,
            &json!({"type": "result", "subtype": "success", "result": "Fixed", "total_cost_usd": 0.25,
                "usage": {"input_tokens": 30, "cache_read_input_tokens": 100, "output_tokens": 40}}),
        ),
    ];
    let input: Vec<_> = updates
        .iter()
        .map(|update| update.usage.input_tokens)
        .collect();
    let output: Vec<_> = updates
        .iter()
        .map(|update| update.usage.output_tokens)
        .collect();
    assert_eq!(
        (input, output),
        (vec![0, 110, 0, 20, 0], vec![0, 1, 4, 7, 28])
    );
    assert_eq!(updates[2].note.as_deref(), Some("Bash: ls"));
    assert_eq!(updates[4].usage.cost_usd, 0.25);
    let result = transcript.results.pop().unwrap();
    assert!(result.is_success);
    assert_eq!(result.text, "Fixed");
}

#[test]
fn an_agent_that_failed_says_why() {
    for (line, error_message) in [
        (json!({"subtype": "error_max_turns"}), "error_max_turns"),
        (
            json!({"is_error": true, "subtype": "success", "result": "No credit"}),
            "No credit",
        ),
        (
            json!({"is_error": true, "errors": ["one", "two"]}),
            "one: two",
        ),
        (
            json!({"is_error": true, "result": null, "usage": null, "errors": null}),
            "the agent says that it failed",
        ),
        (json!({"is_error": true}), "the agent says that it failed"),
    ] {
        let mut line = line;
        line["type"] = "result".into();
        let mut transcript = Transcript::default();
        push(&mut transcript, &line);
        let result = transcript.results.pop().unwrap();
        assert!(!result.is_success);
        assert_eq!(result.complaint(), error_message);
    }
}

#[test]
fn a_checkpoint_counts_when_it_was_saved() {
    let mut transcript = Transcript::default();
    let saving = call("mcp__shim__shim_auto_checkpoint", &json!({"progress": 0.4}));
    let update = push(&mut transcript, &assistant_line("m1", &saving, [1, 0, 1]));
    assert_eq!((update.progress, update.checkpoint_id), (Some(0.4), None));
    let checkpoint_id = CheckpointId::new();
    let facts = json!({"checkpoint": {"checkpoint_id": checkpoint_id.to_string()}}).to_string();
    let answer = |id: &str| {
        json!({"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": id,
            "content": [{"type": "text", "text": facts}]}]}})
    };
    assert_eq!(push(&mut transcript, &answer("other")).checkpoint_id, None);
    assert_eq!(
        push(&mut transcript, &answer("call-1")).checkpoint_id,
        Some(checkpoint_id)
    );
}

#[test]
fn a_list_of_steps_says_how_far_it_is() {
    let mut transcript = Transcript::default();
    let steps = |done: &[&str]| {
        let todos: Vec<_> = done
            .iter()
            .map(|status| json!({"status": status}))
            .collect();
        call("TodoWrite", &json!({"todos": todos}))
    };
    let mut progress =
        |done: &[&str]| push(&mut transcript, &assistant_line("m", &steps(done), [0; 3])).progress;
    assert_eq!(
        progress(&["completed", "in_progress", "pending", "completed"]),
        Some(0.5)
    );
    assert_eq!(progress(&["completed"]), Some(MAX_UNFINISHED));
    assert_eq!(progress(&[]), None);
}

#[test]
fn what_is_no_message_is_passed_over() {
    let mut transcript = Transcript::default();
    for line in [
        "npm warn old",
        "",
        "{",
        "[]",
        "{\"type\":\"stream_event\"}",
        "{\"type\":\"assistant\"}",
        "{\"type\":\"assistant\",\"message\":{\"content\":[7,{\"type\":\"thinking\"}]}}",
    ] {
        assert!(transcript.push(line.as_bytes()).is_empty(), "{line}");
    }
    assert!(!transcript.is_over());
}
