//! A client that is killed while another process holds the gateway's input open.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use serde_json::{Value, json};
use shim_proto::checkpoint::v1::{InterruptionCause, SessionStatus};
use shim_tests::mcp::{GatewayLaunch, PROTOCOL};
use shim_tests::temp_env::TempEnv;
use shim_tests::{binary, process};

use super::{MAX_POLLS, POLL_INTERVAL, SAVE, save_arguments, session, session_id, until};

/// Starts the gateway with the pipe `p` as its input, says the lines of `$1`, and waits to be killed.
const CLIENTS: [(&str, &str); 3] = [
    (
        "the client itself",
        r#""$0" --data-dir data gateway <p >answers & exec 3>p; printf "%s" "$1" >&3; wait"#,
    ),
    (
        "a client behind sh -c",
        r#"sh -c '"$0" --data-dir data gateway; true' "$0" <p >answers & exec 3>p; printf "%s" "$1" >&3; wait"#,
    ),
    (
        "a client behind two wrappers",
        r#"sh -c 'sh -c "\"\$0\" --data-dir data gateway; true" "$0"; true' "$0" <p >answers &
           exec 3>p; printf "%s" "$1" >&3; wait"#,
    ),
];

/// Processes that were started. Dropping them kills each.
struct Killed(Vec<Child>);

impl Drop for Killed {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn shell(root: &Path, script: &str, arguments: &[&str]) -> Child {
    Command::new("sh")
        .args(["-c", script])
        .args(arguments)
        .current_dir(root)
        .env_remove("CLAUDE_CODE_SESSION_ID")
        .env("CLAUDE_PROJECT_DIR", root.join("project"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn conversation_lines(task: &str) -> String {
    let hello = json!({"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": {"name": "shell", "version": "1"}});
    let call = json!({"name": SAVE, "arguments": save_arguments(task)});
    [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}),
    ]
    .map(|line| format!("{line}\n"))
    .concat()
}

/// The answer to the save, when it came.
async fn saved(root: &Path) -> Value {
    for _ in 0..MAX_POLLS {
        let answers = std::fs::read_to_string(root.join("answers")).unwrap_or_default();
        let mut lines = answers
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        if let Some(mut answer) = lines.find(|answer| answer["id"] == 2) {
            return answer["result"]["structuredContent"].take();
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    panic!("no save was answered");
}

/// The gateway below a process, through whatever wraps it.
fn gateway_below(pid: u32) -> Option<u32> {
    let is_gateway = |pid: u32| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let program = line.split('\0').next().unwrap_or_default();
        program == binary::shim().display().to_string()
    };
    process::children(pid).into_iter().find_map(|child| {
        if is_gateway(child) {
            Some(child)
        } else {
            gateway_below(child)
        }
    })
}

async fn until_gone(pid: u32) {
    for _ in 0..MAX_POLLS {
        if shim_runtime::process::identity(pid).is_none() {
            return;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    panic!("the gateway {pid} outlives its client");
}

#[tokio::test]
async fn a_killed_client_is_noticed_although_another_process_holds_the_pipe_open() {
    for (what, script) in CLIENTS {
        let temp = TempEnv::new();
        let root = temp.root();
        nix::unistd::mkfifo(&root.join("p"), Mode::S_IRWXU).unwrap();
        // The other process keeps the pipe's writing end open for ever.
        let mut started = Killed(vec![shell(root, "exec sleep 600 >p", &[])]);
        let shim = binary::shim().display().to_string();
        started
            .0
            .push(shell(root, script, &[&shim, &conversation_lines(what)]));
        let client = started.0[1].id();
        let id = session_id(&saved(root).await);
        let gateway = gateway_below(client).expect("the gateway runs below its client");
        let identity = session(&temp, &id)
            .await
            .client
            .unwrap()
            .client_process
            .unwrap();
        assert_eq!(
            identity.pid, client,
            "{what}: the client is found through its wrappers"
        );

        process::signal(client, Signal::SIGKILL);
        started.0[1].wait().unwrap();
        let lost = until(&temp, &id, SessionStatus::Interrupted).await;
        let interruption = lost.interruption.unwrap();
        assert_eq!(
            interruption.cause(),
            InterruptionCause::Killed,
            "{what}: {interruption:?}"
        );
        until_gone(gateway).await;
    }
}

#[tokio::test]
async fn a_stopped_client_keeps_its_session() {
    let temp = TempEnv::new();
    let root = temp.root();
    nix::unistd::mkfifo(&root.join("p"), Mode::S_IRWXU).unwrap();
    let mut started = Killed(vec![shell(root, "exec sleep 600 >p", &[])]);
    let shim = binary::shim().display().to_string();
    started.0.push(shell(
        root,
        CLIENTS[0].1,
        &[&shim, &conversation_lines("pause")],
    ));
    let client = started.0[1].id();
    let id = session_id(&saved(root).await);
    process::signal(client, Signal::SIGSTOP);
    // Another window lives through a whole watch of the stopped one.
    let mut witness = GatewayLaunch::new(&temp.data_dir(), &temp.project())
        .open()
        .await;
    for _ in 0..50 {
        super::save(&mut witness, "meanwhile").await;
        tokio::time::sleep(POLL_INTERVAL * 2).await;
    }
    assert_eq!(session(&temp, &id).await.status(), SessionStatus::Active);
    process::signal(client, Signal::SIGCONT);
}
