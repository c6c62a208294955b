//! Agents: doubles that write the stream-json of `claude -p`.

use std::time::Duration;

use serde_json::{Value, json};
use shim_proto::reasons::task::{EXECUTOR_FAILED, PERMISSION_DENIED, TIMED_OUT};
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
    let verdict =
        result(&json!({"is_error": true, "result": "The tests fail", "total_cost_usd": 0.1}));
    let executor = env.script(Agent, &(prints(&[verdict]) + "exit 1"));
    let progress = ProgressHandle::default();
    let AttemptOutcome::Failed(failure) = run_with(&*executor, &claim("t"), &progress).await else {
        panic!("it fails");
    };
    assert_eq!(failure.error.reason, EXECUTOR_FAILED);
    assert_eq!(failure.error.message, "The tests fail");
    assert!(!failure.is_crash);
    assert_eq!(progress.take().usage.cost_usd, 0.1);
}

#[tokio::test]
async fn an_agent_without_a_result_crashed() {
    let env = TestEnv::new();
    let executor = env.script(Agent, "echo no-json; echo 'Segment lost' >&2");
    let AttemptOutcome::Failed(failure) = run(&*executor, &claim("t")).await else {
        panic!("it fails");
    };
    assert!(
        failure.is_crash && failure.error.message.contains("Segment lost"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn an_agent_that_can_do_no_task_is_unfit() {
    let env = TestEnv::new();
    let limit = result(&json!({"is_error": true, "result": "You've hit your limit"}));
    for (script, why) in [
        (prints(&[limit]) + "exit 1", "You've hit your limit"),
        (
            "echo 'Invalid API key' >&2; exit 1".to_owned(),
            "Invalid API key",
        ),
        (
            "no-such-agent-anywhere --print".to_owned(),
            "no-such-agent-anywhere",
        ),
    ] {
        let AttemptOutcome::Unfit(unfit) = run(&*env.script(Agent, &script), &claim("t")).await
        else {
            panic!("{script}: it is unfit");
        };
        assert!(
            unfit.why.contains(why) && unfit.until.is_none(),
            "{unfit:?}"
        );
    }
}

#[tokio::test]
async fn a_success_stands_whatever_its_program_does_after_it() {
    let env = TestEnv::new();
    for (end, exit_code, remark) in [
        ("exit 3", Some(3), "exited with 3"),
        ("kill -KILL $$", None, "SIGKILL"),
    ] {
        let executor = env.script(Agent, &(prints(&conversation()) + end));
        let AttemptOutcome::Completed(result) = run(&*executor, &claim("t")).await else {
            panic!("it completes");
        };
        assert_eq!((&*result.text, result.exit_code), ("42 lines", exit_code));
        assert!(result.remarks[0].contains(remark), "{:?}", result.remarks);
    }
}

#[tokio::test]
async fn what_was_not_permitted_is_told_or_fails_the_attempt() {
    let env = TestEnv::new();
    let denials = json!([{"tool_name": "Bash", "tool_input": {"command": "git push"}}]);
    let verdict = result(&json!({"result": "Pushed", "permission_denials": denials}));
    let script = prints(&[verdict]);
    let AttemptOutcome::Completed(result) = run(&*env.script(Agent, &script), &claim("t")).await
    else {
        panic!("it completes");
    };
    assert_eq!(result.denials, ["Bash: git push"]);
    let strict = env.executor(Agent, &script, |config| config.fail_on_denial = true);
    let AttemptOutcome::Failed(failure) = run(&*strict, &claim("t")).await else {
        panic!("it fails");
    };
    assert_eq!(failure.error.reason, PERMISSION_DENIED);
    assert!(failure.is_final && failure.error.message.contains("git push"));
}

#[tokio::test]
async fn a_result_line_of_many_mebibytes_is_a_result() {
    let env = TestEnv::with(|config| config.max_output = 10_000);
    // Nine mebibytes, and what a strict reader refuses.
    let script = "cat > /dev/null; printf %s '{\"type\":\"result\",\"usage\":{\"input_tokens\":NaN},\"result\":\"begin\\ud83d '; \
                  head -c 9437184 /dev/zero | tr '\\0' x; printf %s ' end\",\"is_error\":false}'";
    let AttemptOutcome::Completed(result) = run(&*env.script(Agent, script), &claim("t")).await
    else {
        panic!("it completes");
    };
    assert!(result.truncated && result.text.len() <= 10_000);
    assert!(result.text.starts_with("begin\u{FFFD} x") && result.text.ends_with("x end"));
    let missing = result.text.split_once("[... ").unwrap().1;
    let missing: usize = missing.split_once(' ').unwrap().0.parse().unwrap();
    assert!(
        missing.abs_diff(9 * 1024 * 1024 - 10_000) < 1_000,
        "{missing}"
    );
    let transcript = std::fs::metadata(&result.artifacts[0]).unwrap();
    assert!(transcript.len() > 9 * 1024 * 1024);
}

#[tokio::test]
async fn what_an_attempt_without_a_result_cost_is_the_least() {
    let env = TestEnv::new();
    let executor = env.script(Agent, &(prints(&conversation()[..3]) + "exit 1"));
    let progress = ProgressHandle::default();
    let AttemptOutcome::Failed(_) = run_with(&*executor, &claim("t"), &progress).await else {
        panic!("it fails");
    };
    let usage = progress.take().usage;
    assert_eq!((usage.input_tokens, usage.incomplete), (100, true));
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
    assert_eq!(failure.error.message, "its time was up after 0 s");
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
    let [whole, transcript] = &result.artifacts[..] else {
        panic!("two files: {:?}", result.artifacts);
    };
    assert_eq!(std::fs::read_to_string(whole).unwrap(), "x".repeat(10_000));
    assert!(std::fs::read_to_string(transcript).unwrap().len() > 10_000);
}
