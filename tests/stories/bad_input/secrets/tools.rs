//! The six tools, and programs: what they print, short or long, as it came or as an agent's last words.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use shim_tests::mcp::{Gateway, GatewayLaunch, tool_output};
use shim_tests::temp_env::TempEnv;

use super::NAMED;
use super::corpus::{Secret, secrets};
use super::test_stack::{TestStack, redaction_counts};

/// Reads its prompt, shows what it got to see, and ends with all of it as its result.
const AGENT: &str = r#"#!/bin/sh
cat > /dev/null
cat said
"#;
/// Bytes of output that fit into a result.
const MAX_OUTPUT: usize = 4_096;
/// How often each secret is printed.
const ROUNDS: usize = 60;

/// A stack with a worker that prints the file `output` and an agent that says the lines of the file `said`.
async fn start_stack(output: &str, said: &str) -> TestStack {
    TestStack::new(|temp, launch| {
        let project = temp.project();
        std::fs::write(project.join("output"), output).unwrap();
        std::fs::write(project.join("said"), said).unwrap();
        let file = temp.root().join("shim.toml");
        std::fs::write(&file, settings(temp)).unwrap();
        launch.env("SHIM_CONFIG", &file.display().to_string())
    })
    .await
}

fn settings(temp: &TempEnv) -> String {
    let agent = temp.project().join("agent");
    std::fs::write(&agent, AGENT).unwrap();
    std::fs::set_permissions(&agent, PermissionsExt::from_mode(0o755)).unwrap();
    format!(
        "[worker]
         start = ['teller', 'talker']
         max_output = {MAX_OUTPUT}
         [worker.executors.teller]
         kind = 'command'
         program = '/bin/cat'
         args = ['output']
         working_dir = '{project}'
         [worker.executors.talker]
         kind = 'agent'
         program = '{agent}'
         working_dir = '{project}'",
        project = temp.project().display(),
        agent = agent.display(),
    )
}

/// A window that sends its spans to the collector too, and logs into the file that the story reads.
async fn window(stack: &TestStack) -> Gateway {
    GatewayLaunch::new(&stack.temp.data_dir(), &stack.temp.project())
        .with_log(&stack.temp.root().join("gateway.log"))
        .with_env("SHIM_OTLP_ENDPOINT", stack.collector.endpoint())
        .open()
        .await
}

/// Submits a job, and returns its results when it has ended.
async fn results_of(window: &mut Gateway, mut job: Value) -> Value {
    job["action"] = json!("submit");
    let submitted = tool_output(window.call("shim_coordinate_task", job).await);
    let task_id = &submitted["task"]["task_id"];
    let mut results = Value::Null;
    for _ in 0..10 {
        for action in ["wait", "results"] {
            let asked = json!({"action": action, "task_id": task_id});
            results = tool_output(window.call("shim_coordinate_task", asked).await);
        }
        if results["complete"] == json!(true) {
            return results;
        }
    }
    panic!("the job does not end well: {results}");
}

fn texts() -> Vec<String> {
    secrets().into_iter().map(|secret| secret.text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_told_to_a_tool_or_printed_by_a_program_is_kept() {
    let all = texts();
    let text = all.join("\n");
    let mut stack = start_stack(&text, "").await;
    let mut window = window(&stack).await;
    let saved = json!({
        "current_task": text, "progress": 0.5, "decisions": all, "next_steps": all, "completed_steps": all,
        "blockers": all, "summary": text, "active_files": [format!("notes/{}", all[0])],
        "dropped_steps": all, "retracted_decisions": all,
    });
    let calls = [
        ("shim_auto_checkpoint", saved),
        (
            "shim_session_status",
            json!({"view": "search", "query": all[3]}),
        ),
        ("shim_check_recovery", json!({"project": all[4]})),
        ("shim_monitor_signals", json!({"session_id": all[5]})),
        (
            "shim_worker_task",
            json!({"action": "register", "name": all[6], "capabilities": [all[7]]}),
        ),
    ];
    for (index, (tool, arguments)) in calls.into_iter().enumerate() {
        let answer = window.call(tool, arguments).await;
        let is_taken = answer["isError"] != json!(true);
        assert!(index != 0 || is_taken, "{answer}");
    }
    let payload = json!({"password": NAMED, "note": text});
    let job = json!({"goal": text, "executor": "command", "payload": payload});
    let results = results_of(&mut window, job).await;
    let result = results["result"]["text"].as_str().unwrap_or_default();
    assert!(result.contains("[redacted:"), "{results}");
    window.close().await;
    let log = std::fs::read_to_string(stack.temp.root().join("gateway.log")).unwrap();
    assert!(log.contains("TRACE"), "{log}");
    stack.assert_clean(&secrets()).await;
}

/// The secrets again and again, each time somewhere else: whatever is cut, is cut there.
fn long_output() -> String {
    let mut output = String::new();
    for round in 0..ROUNDS {
        for (index, text) in texts().iter().enumerate() {
            let padding = "a word ".repeat((round * 7 + index) % 23);
            output.push_str(&format!("{padding}\n{text}\n"));
        }
    }
    output
}

/// A message of the agent that uses a tool, and its last one.
fn long_talk(output: &str) -> String {
    let tool = json!({"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": texts().join("; ")}});
    let used = json!({"type": "assistant", "message": {"id": "m1", "content": [tool]}});
    let ended =
        json!({"type": "result", "subtype": "success", "is_error": false, "result": output});
    format!("{used}\n{ended}\n")
}

/// The later half of a secret is none that a rule would know.
fn assert_has_no_half(location: &str, text: &str) {
    for Secret { needle, kind, .. } in secrets() {
        let half = &needle[needle.len() / 2..];
        assert!(!text.contains(half), "{half} of {kind} is in {location}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_in_output_too_long_for_a_result_is_kept_whole_or_in_part() {
    let output = long_output();
    let mut stack = start_stack(&output, &long_talk(&output)).await;
    let mut window = window(&stack).await;
    for executor in ["command", "agent"] {
        let job = json!({"goal": "tell much", "executor": executor});
        let results = results_of(&mut window, job).await;
        let result = &results["result"];
        assert_eq!(result["truncated"], json!(true), "{executor}: {results}");
        assert_has_no_half("the result", &results.to_string());
        let artifact = result["artifacts"][0].as_str().unwrap();
        let mode = std::fs::metadata(artifact).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{artifact}");
        let kept = std::fs::read_to_string(artifact).unwrap();
        assert_has_no_half(artifact, &kept);
        let words = |text: &str| text.matches("a word ").count();
        assert_eq!(
            words(&kept),
            words(&output),
            "{executor}: not only secrets went"
        );
    }
    window.close().await;

    let counted: f64 = redaction_counts(&stack.metrics().await).values().sum();
    let least = (ROUNDS * secrets().len()) as f64;
    assert!(counted >= least, "only {counted} were counted");
    for (location, text) in stack.stop_and_collect().await {
        assert_has_no_half(&location, &text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_is_counted_from_the_start() {
    let stack = start_stack("", "").await;
    let counted = redaction_counts(&stack.metrics().await);
    for rule in ["private-key", "url-password", "named-field"] {
        assert_eq!(counted.get(rule), Some(&0.0), "{counted:?}");
    }
    assert!(counted.values().all(|count| *count == 0.0), "{counted:?}");
}
