//! Agents: doubles that write the stream-json of `claude -p`.

use std::time::Duration;

use serde_json::{Value, json};
use shim_proto::reasons::task::{EXECUTOR_FAILED, TIMED_OUT};
use shim_runtime::free_form;
use shim_work::{AttemptOutcome, ProgressHandle};
use shim_worker::ExecutorKind::Agent;

use crate::executor::test_env::{TestEnv, claim, run, run_with, span};

/// A script that writes its prompt into a file and prints these messages.
fn prints(messages: &[Value]) -> String {
    let lines: Vec<_> = messages.iter().map(ToString::to_string).collect();
    format!("cat > prompt; cat <<'END'\n{}\nEND\n", lines.join("\n"))
}

fn result(more: &Value) -> Value {
    let mut message = json!({"type": "result", "subtype": "success", "is_error": false});
    let more = more.as_object().unwrap().clone();
    message.as_object_mut().unwrap().extend(more);
    message
}

fn conversation() -> Vec<Value> {
    let usage = json!({"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5});
    vec![
        json!({"type": "system", "subtype": "init", "session_id": "s", "model": "m", "tools": ["Bash"]}),
        json!({"type": "assistant", "message": {"id": "m1", "usage": usage, "content":
            [{"type": "tool_use", "id": "u1", "name": "Bash", "input": {"command": "wc -l x"}}]}}),
        json!({"type": "user", "message": {"content":
            [{"type": "tool_result", "tool_use_id": "u1", "content": "42 x"}]}}),
        result(
            &json!({"result": "42 lines", "num_turns": 2, "total_cost_usd": 0.5, "structured_output": {"lines": 42},
            "usage": {"input_tokens": 12, "cache_read_input_tokens": 90, "output_tokens": 25}}),
        ),
    ]
}

#[tokio::test]
async fn an_agent_reads_a_prompt_and_its_last_message_is_the_result() {
    let env = TestEnv::new();
    let executor = env.script(Agent, &prints(&conversation()));
    let mut claim = claim("t");
    claim.task.files = vec!["src/*".to_owned()];
    claim.resume = Some("Half is counted.".to_owned());
    let progress = ProgressHandle::default();
    let AttemptOutcome::Completed(result) = run_with(&*executor, &claim, &progress).await else {
        panic!("it completes");
    };
    assert_eq!(
        (result.text.as_str(), result.exit_code),
        ("42 lines", Some(0))
    );
    assert_eq!(free_form::to_json(&result.data.unwrap())["lines"], 42);
    let prompt = std::fs::read_to_string(env.root().join("prompt")).unwrap();
    for part in ["Count the lines\n", "- src/*\n", "Half is counted.\n"] {
        assert!(prompt.contains(part), "{prompt}");
    }
    let update = progress.take();
    assert_eq!(update.note.as_deref(), Some("Bash: wc -l x"));
    assert_eq!(
        (update.usage.input_tokens, update.usage.output_tokens),
        (102, 25)
    );
    assert_eq!(update.usage.cost_usd, 0.5);
}

#[tokio::test]
async fn an_agent_that_fails_says_why_and_its_cost_counts() {
    let env = TestEnv::new();
    let verdict = result(
        &json!({"is_error": true, "result": "Credit balance is too low", "total_cost_usd": 0.1}),
    );
    let executor = env.script(Agent, &(prints(&[verdict]) + "exit 1"));
    let progress = ProgressHandle::default();
    let AttemptOutcome::Failed(failure) = run_with(&*executor, &claim("t"), &progress).await else {
        panic!("it fails");
    };
    assert_eq!(failure.error.reason, EXECUTOR_FAILED);
    assert_eq!(failure.error.message, "Credit balance is too low");
    assert!(!failure.is_crash);
    assert_eq!(progress.take().usage.cost_usd, 0.1);
}

#[tokio::test]
async fn an_agent_without_a_result_crashed() {
    let env = TestEnv::new();
    let executor = env.script(Agent, "echo no-json; echo 'Invalid API key' >&2");
    let AttemptOutcome::Failed(failure) = run(&*executor, &claim("t")).await else {
        panic!("it fails");
    };
    assert!(
        failure.is_crash && failure.error.message.contains("Invalid API key"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn an_agent_that_stays_after_its_result_is_ended() {
    let env = TestEnv::with(|config| config.grace = Duration::from_millis(100));
    let executor = env.script(Agent, &(prints(&conversation()) + "sleep 1000"));
    let AttemptOutcome::Completed(result) = run(&*executor, &claim("t")).await else {
        panic!("it completes");
    };
    assert_eq!((result.text.as_str(), result.exit_code), ("42 lines", None));
}

#[tokio::test]
async fn an_agent_out_of_time_fails_though_it_reported_progress() {
    let env = TestEnv::new();
    let executor = env.script(Agent, &(prints(&conversation()[..3]) + "sleep 1000"));
    let mut claim = claim("t");
    claim.task.timeout = span(300);
    let AttemptOutcome::Failed(failure) = run(&*executor, &claim).await else {
        panic!("it fails");
    };
    assert_eq!(failure.error.reason, TIMED_OUT);
}

#[tokio::test]
async fn a_long_result_is_cut_and_the_transcript_is_kept() {
    let env = TestEnv::with(|config| config.max_output = 1_024);
    let verdict = result(&json!({"result": "x".repeat(10_000)}));
    let executor = env.script(Agent, &prints(&[verdict]));
    let AttemptOutcome::Completed(result) = run(&*executor, &claim("t")).await else {
        panic!("it completes");
    };
    assert!(result.truncated && result.text.len() <= 1_024);
    let transcript = std::fs::read_to_string(&result.artifacts[0]).unwrap();
    assert!(transcript.len() > 10_000);
}
