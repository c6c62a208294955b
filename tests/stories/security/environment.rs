//! A worker's programs see the variables they are given, and nothing else of the environment it was started in.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use shim_redis_harness::Redis;
use shim_tests::mcp::{GatewayLaunch, tool_output};
use shim_tests::service::Launch;
use shim_tests::temp_env::TempEnv;

/// What a worker may be started with; of the last, its agent is given a copy.
const SECRETS: [(&str, &str); 6] = [
    ("AWS_SECRET_ACCESS_KEY", "of-the-cloud"),
    ("GITHUB_TOKEN", "of-the-code"),
    ("DATABASE_URL", "postgres://me:of-the-data@host/db"),
    ("SSH_AUTH_SOCK", "/run/of-the-hosts"),
    ("OPENAI_API_KEY", "of-another-model"),
    (GIVEN, "of-the-model"),
];
const GIVEN: &str = "ANTHROPIC_API_KEY";
/// What an agent is told beside: how often it repeats a refused request before the task goes back.
const OF_AGENTS: &str = "CLAUDE_CODE_MAX_RETRIES";

/// What every program sees: where it is, what the task is, and what the shell that began it adds.
const USUAL: [&str; 12] = [
    "HOME",
    "LANG",
    "OLDPWD",
    "PATH",
    "PWD",
    "SHIM_TASK_GOAL",
    "SHIM_TASK_ID",
    "SHIM_TASK_LEASE",
    "SHLVL",
    "TERM",
    "TRACEPARENT",
    "_",
];
const ALWAYS: [&str; 4] = ["PATH", "SHIM_TASK_GOAL", "SHIM_TASK_LEASE", "TRACEPARENT"];

/// Keeps what it was started with, and ends well.
const AGENT: &str = r#"#!/bin/sh
cp /proc/$$/environ agent.seen
cat > /dev/null
echo '{"type":"result","subtype":"success","is_error":false,"result":"done"}'
"#;

fn settings(temp: &TempEnv) -> String {
    let agent = temp.root().join("agent");
    std::fs::write(&agent, AGENT).unwrap();
    std::fs::set_permissions(&agent, PermissionsExt::from_mode(0o755)).unwrap();
    format!(
        "[worker]
         roots = ['{project}']
         start = ['claude', 'copy']
         [worker.executors.claude]
         kind = 'agent'
         program = '{agent}'
         env = ['{GIVEN}']
         working_dir = '{project}'
         [worker.executors.copy]
         kind = 'command'
         program = 'cp'
         args = ['/proc/self/environ', 'command.seen']
         working_dir = '{project}'",
        project = temp.project().display(),
        agent = agent.display(),
    )
}

/// The variables that a program was started with.
fn seen(file: &Path) -> BTreeMap<String, String> {
    let seen = std::fs::read_to_string(file).unwrap();
    let pairs = seen.split_terminator('\0');
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap());
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[tokio::test]
async fn a_program_sees_no_secret_of_the_worker_it_was_not_given() {
    let (temp, redis) = (TempEnv::new(), Redis::start());
    let file = temp.root().join("shim.toml");
    std::fs::write(&file, settings(&temp)).unwrap();
    let mut launch = Launch::stack(&temp.data_dir(), &redis.url())
        .env("SHIM_CONFIG", &file.display().to_string());
    for (name, value) in SECRETS {
        launch = launch.env(name, value);
    }
    let _stack = launch.start_or_panic().await;
    let mut window = GatewayLaunch::new(&temp.data_dir(), &temp.project())
        .open()
        .await;

    for executor in ["command", "agent"] {
        let job = json!({"action": "submit", "goal": "look around", "executor": executor});
        let submitted = tool_output(window.call("shim_coordinate_task", job).await);
        let wait = json!({"action": "wait", "task_id": submitted["task"]["task_id"]});
        let ended: Value = tool_output(window.call("shim_coordinate_task", wait).await);
        assert_eq!(ended["task"]["state"], "completed", "{ended}");

        let mut seen = seen(&temp.project().join(format!("{executor}.seen")));
        for name in ALWAYS {
            assert!(seen.contains_key(name), "{executor} lacks {name}: {seen:?}");
        }
        if executor == "agent" {
            assert_eq!(seen.remove(GIVEN).as_deref(), Some("of-the-model"));
            seen.remove(OF_AGENTS);
        }
        seen.retain(|name, _| !USUAL.contains(&name.as_str()));
        assert!(seen.is_empty(), "{executor} sees {seen:?}");
    }
    window.close().await;
}
