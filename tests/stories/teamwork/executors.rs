//! A window supervises programs: an agent without a window and an allow-listed command, which the stack runs itself.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use shim_tests::temp_env::TempEnv;

use super::test_stack::{COORDINATE, POLL_INTERVAL, TestStack, Window};

/// Speaks the stream-json of `claude -p`: uses a tool once, and answers with the first line of its prompt.
const AGENT: &str = r#"#!/bin/sh
goal=$(head -n 1)
cat > /dev/null
cat <<END
{"type":"system","subtype":"init","session_id":"s1","model":"stand-in","tools":["Read"]}
{"type":"assistant","message":{"id":"m1","usage":{"input_tokens":100,"output_tokens":10},"content":[{"type":"tool_use","id":"t1","name":"Read","input":{"file_path":"notes.md"}}]}}
{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t1","content":"a note"}]}}
{"type":"result","subtype":"success","is_error":false,"result":"did: $goal","num_turns":2,"total_cost_usd":0.25,"usage":{"input_tokens":180,"output_tokens":20}}
END
"#;

/// A limit of its provider stops it for an hour.
const LIMITED: &str = r#"#!/bin/sh
cat > /dev/null
resets=$(($(date +%s) + 3600))
cat <<END
{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":$resets}}
{"type":"result","subtype":"success","is_error":true,"result":"You've hit your limit \ud83d","usage":{"input_tokens":-1}}
END
exit 1
"#;

/// The agent beside the project, and what configures it and a command.
fn settings(temp: &TempEnv) -> String {
    settings_with(temp, AGENT)
}

fn settings_with(temp: &TempEnv, script: &str) -> String {
    let agent = temp.root().join("agent");
    std::fs::write(&agent, script).unwrap();
    std::fs::set_permissions(&agent, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(temp.project().join("notes.md"), "one\ntwo\nthree\n").unwrap();
    format!(
        "[worker]
         roots = ['{project}']
         start = ['claude', 'count']
         [worker.executors.claude]
         kind = 'agent'
         program = '{agent}'
         args = []
         capabilities = ['write']
         working_dir = '{project}'
         [worker.executors.count]
         kind = 'command'
         program = 'wc'
         args = ['-l']
         allow_args = true
         working_dir = '{project}'",
        project = temp.project().display(),
        agent = agent.display(),
    )
}

fn parts() -> Value {
    json!([
        {"id": "size", "goal": "count the lines", "executor": "command", "payload": {"args": ["notes.md"]}},
        {"id": "draft", "goal": "write a draft", "executor": "agent", "requirements": ["write"]},
        {"id": "polish", "goal": "polish the draft", "executor": "agent", "after": ["draft", "size"]},
    ])
}

async fn status(window: &mut Window, task_id: &Value) -> Value {
    let arguments = json!({"action": "status", "task_id": task_id});
    window.get(COORDINATE, arguments).await
}

#[tokio::test]
async fn programs_do_what_a_window_submits_and_tell_what_it_cost() {
    let stack = TestStack::new(settings).await;
    let mut supervisor = stack.window().await;
    let job = json!({"action": "submit", "goal": "a page about notes", "subtasks": parts()});
    let submitted = supervisor.get(COORDINATE, job).await;
    let job = submitted["task"]["task_id"].clone();
    supervisor.wait_for_end(job.as_str().unwrap()).await;

    let results = json!({"action": "results", "task_id": job});
    let results = supervisor.get(COORDINATE, results).await;
    assert_eq!(results["complete"], json!(true), "{results}");
    let text = results["result"]["text"].as_str().unwrap();
    let found = ["3 notes.md", "did: write a draft", "did: polish the draft"];
    let found = found.map(|part| text.find(part));
    assert!(found.iter().all(Option::is_some), "{text}");
    assert!(found.is_sorted(), "{text}");

    let cost = json!({"input_tokens": 180, "output_tokens": 20, "cost_usd": 0.25});
    for part in submitted["subtasks"].as_array().unwrap() {
        let shown = status(&mut supervisor, &part["task_id"]).await;
        let expected = if part["id"] == "size" {
            json!(null)
        } else {
            cost.clone()
        };
        assert_eq!(shown["task"]["usage"], expected, "{shown}");
        assert_eq!(shown["task"]["attempts"], 1, "{shown}");
        assert_eq!(shown["task"]["result"]["exit_code"], 0, "{shown}");
    }
    supervisor.close().await;
}

#[tokio::test]
async fn a_program_that_fails_lets_the_window_decide() {
    let stack = TestStack::new(settings).await;
    let mut supervisor = stack.window().await;
    let parts = json!([
        {"id": "size", "goal": "count", "executor": "command", "payload": {"args": ["no-such-file"]}},
        {"id": "draft", "goal": "write a draft", "executor": "agent"},
        {"id": "polish", "goal": "polish", "executor": "agent", "after": ["size"]},
    ]);
    let job = json!({
        "action": "submit", "goal": "a page", "subtasks": parts, "max_attempts": 1, "on_failure": "continue",
    });
    let submitted = supervisor.get(COORDINATE, job).await;
    let job = submitted["task"]["task_id"].clone();
    supervisor.wait_for_end(job.as_str().unwrap()).await;
    let results = json!({"action": "results", "task_id": job});
    let results = supervisor.get(COORDINATE, results).await;
    assert_eq!(results["complete"], json!(false), "{results}");
    assert_eq!(results["task"]["state"], "failed");
    let missing = results["missing"].as_array().unwrap();
    let reasons: Vec<_> = missing
        .iter()
        .map(|part| (&part["id"], &part["error"]["reason"]))
        .collect();
    let expected = [("size", "EXECUTOR_FAILED"), ("polish", "DEPENDENCY_FAILED")];
    assert_eq!(reasons.len(), expected.len(), "{missing:?}");
    for ((id, reason), expected) in reasons.into_iter().zip(expected) {
        assert_eq!((id, reason), (&json!(expected.0), &json!(expected.1)));
    }
    let complaint = missing[0]["error"]["message"].as_str().unwrap();
    assert!(complaint.contains("no-such-file"), "{complaint}");

    // What was missing is there now.
    std::fs::write(stack.temp.project().join("no-such-file"), "x\n").unwrap();
    let retry = json!({"action": "retry", "task_id": job});
    let retried = supervisor.get(COORDINATE, retry).await;
    assert_eq!(retried["changed"], 2, "{retried}");
    supervisor.wait_for_end(job.as_str().unwrap()).await;
    let results = json!({"action": "results", "task_id": job});
    let results = supervisor.get(COORDINATE, results).await;
    assert_eq!(results["complete"], json!(true), "{results}");
    supervisor.close().await;
}

/// Leaves a daemon in a session of its own, without its environment, that holds a pipe open; then it stays or ends.
const DAEMON: &str = r#"#!/bin/sh
cat > /dev/null
exec 9> lifeline
setsid sh -c '(env -i setsid sleep 1000 &) &' &
[ -e stays ] && sleep 1000
echo '{"type":"result","subtype":"success","is_error":false,"result":"left"}'
"#;

/// Longer than a daemon may outlive what started it.
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// A pipe that a daemon holds open, from its first writer on.
async fn opened(path: &Path) -> std::fs::File {
    let path = path.to_owned();
    let opening = tokio::task::spawn_blocking(move || std::fs::File::open(path).unwrap());
    tokio::time::timeout(GONE_WITHIN, opening)
        .await
        .unwrap()
        .unwrap()
}

/// Waits until nobody holds the pipe.
async fn closed(mut pipe: std::fs::File) {
    let reading = tokio::task::spawn_blocking(move || pipe.read_to_end(&mut Vec::new()).unwrap());
    tokio::time::timeout(GONE_WITHIN, reading)
        .await
        .unwrap()
        .unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_leaves_its_session_dies_with_its_task_and_with_the_stack() {
    let mut stack = TestStack::new(|temp| settings_with(temp, DAEMON)).await;
    let path = stack.temp.project().join("lifeline");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut supervisor = stack.window().await;
    let job = json!({"action": "submit", "goal": "start a daemon", "requirements": ["write"]});
    let submitted = supervisor.get(COORDINATE, job.clone()).await;
    let pipe = opened(&path).await;
    let id = submitted["task"]["task_id"].as_str().unwrap();
    supervisor.wait_for_end(id).await;
    closed(pipe).await;

    std::fs::write(stack.temp.project().join("stays"), "").unwrap();
    supervisor.get(COORDINATE, job).await;
    let pipe = opened(&path).await;
    stack.service.kill();
    closed(pipe).await;
}

#[tokio::test]
async fn a_limit_costs_no_attempt_and_is_told_where_people_and_models_look() {
    let stack = TestStack::new(|temp| settings_with(temp, LIMITED)).await;
    let mut supervisor = stack.window().await;
    let job = json!({"action": "submit", "goal": "write a draft", "requirements": ["write"]});
    let submitted = supervisor.get(COORDINATE, job).await;
    let notice = supervisor.task_notice(Vec::new()).await;
    let text = notice["text"].as_str().unwrap();
    assert!(text.contains("You've hit your limit"), "{notice}");

    let agent = loop {
        let look = json!({"view": "workers"});
        let shown = supervisor.get("shim_session_status", look).await;
        let workers = shown["workers"].as_array().unwrap();
        let agent = workers.iter().find(|worker| worker["name"] == "claude");
        if let Some(agent) = agent.filter(|agent| agent["health"] == "unhealthy") {
            break agent.clone();
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    };
    assert!(agent["unfit_until"].is_string(), "{agent}");
    assert_eq!(agent["detail"], "You've hit your limit \u{FFFD}");
    // The task is carried back to its queue a moment after it was held.
    let queue = loop {
        let look = json!({"view": "queue"});
        let shown = supervisor.get("shim_session_status", look).await;
        let queues = shown["queue"]["queues"].as_array();
        let queues = queues.or(shown["queues"].as_array()).unwrap();
        let waits = |queue: &&Value| queue["waiting"] == 1;
        if let Some(queue) = queues.iter().find(waits) {
            break queue.clone();
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    };
    assert_eq!(
        (&queue["unfit"], &queue["saturated"]),
        (&json!(1), &json!(false))
    );
    let shown = status(&mut supervisor, &submitted["task"]["task_id"]).await;
    assert_eq!(shown["task"]["state"], "ready", "{shown}");
    assert_eq!(shown["task"]["attempts"], 0, "{shown}");
    assert_eq!(shown["task"]["error"]["reason"], "WORKER_UNFIT", "{shown}");
    supervisor.close().await;
}
