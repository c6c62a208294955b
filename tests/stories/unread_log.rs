//! stderr is a pipe that nobody reads, as many clients and supervisors leave it: serving goes on, and so does the end.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use shim_runtime::stack::{Stack, StackState};
use shim_tests::mcp::{GatewayLaunch, PROTOCOL};
use shim_tests::temp_env::TempEnv;
use shim_tests::{binary, process};

/// A machine under load is slow, but not this slow.
const PATIENCE: Duration = Duration::from_secs(60);
/// Each is logged; a pipe takes 64 KiB.
const CALLS: usize = 400;

/// The program with everything logged to a pipe that stays unread.
fn unread(words: &[String], temp: &TempEnv, environment: &[(String, String)]) -> Child {
    Command::new(&words[0])
        .args(&words[1..])
        .envs(environment.iter().cloned())
        .current_dir(temp.project())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn wait_for_exit(child: &mut Child) {
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends requests one by one, each after the answer to the one before.
fn converse(child: &mut Child) -> Vec<Value> {
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut ask = |id: usize, method: &str, params: Value| -> Value {
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        writeln!(stdin, "{request}").unwrap();
        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    };
    let client = json!({"name": "unread", "version": "1"});
    ask(
        0,
        "initialize",
        json!({"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": client}),
    );
    let unknown = json!({"name": "no_such_tool", "arguments": {"text": "x".repeat(500)}});
    for id in 1..=CALLS {
        ask(id, "tools/call", unknown.clone());
    }
    let save = |at: usize| json!({"name": "shim_auto_checkpoint", "arguments": {"current_task": "t", "progress": 0.5, "summary": at.to_string()}});
    (0..3)
        .map(|at| ask(1_000 + at, "tools/call", save(at)))
        .collect()
}

#[test]
fn a_gateway_and_a_stack_in_the_foreground_serve_and_end_though_nobody_reads_their_log() {
    let temp = TempEnv::new();
    let data_dir = temp.data_dir();
    let shim = binary::shim().display().to_string();
    let folder = data_dir.display().to_string();
    let words = ["--data-dir", &folder, "--log", "trace", "up"].map(str::to_owned);
    let mut stack = unread(&[vec![shim], words.to_vec()].concat(), &temp, &[]);
    let deadline = Instant::now() + PATIENCE;
    while !matches!(Stack::at(&data_dir).state(), StackState::Running(_)) {
        assert!(Instant::now() < deadline, "the stack does not start");
        std::thread::sleep(Duration::from_millis(10));
    }

    let launch = GatewayLaunch::new(&data_dir, &temp.project());
    let words = launch
        .command()
        .iter()
        .map(|word| if word == "warn" { "trace" } else { word });
    let words: Vec<_> = words.map(str::to_owned).collect();
    let mut gateway = unread(&words, &temp, launch.environment());
    let answers = converse(&mut gateway);
    for answer in answers {
        assert!(
            answer["result"]["structuredContent"]["checkpoint"].is_object(),
            "{answer}"
        );
    }
    // The end of the conversation closed its stdin.
    wait_for_exit(&mut gateway);
    process::signal(stack.id(), Signal::SIGTERM);
    wait_for_exit(&mut stack);
}
