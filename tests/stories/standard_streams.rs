//! What clients give a gateway for stdin and stdout: pipes, socket pairs (Node does), or files. It answers on all.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use shim_tests::mcp::{GatewayLaunch, PROTOCOL};
use shim_tests::temp_env::TempEnv;

/// Longer than any answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

fn conversation() -> Vec<Value> {
    let client = json!({ "name": "streams", "version": "1" });
    let hello = json!({ "protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": client });
    let save = json!({ "current_task": "speak through anything", "progress": 0.5 });
    vec![
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call",
                "params": { "name": "shim_auto_checkpoint", "arguments": save } }),
    ]
}

fn gateway(temp: &TempEnv, stdin: Stdio, stdout: Stdio) -> std::process::Child {
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    Command::new(&launch.command()[0])
        .args(&launch.command()[1..])
        .envs(launch.environment().iter().cloned())
        .current_dir(temp.project())
        .stdin(stdin)
        .stdout(stdout)
        .spawn()
        .unwrap()
}

fn assert_saved(answers: &[String]) {
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert!(answers[1].contains("Checkpoint 1 saved"), "{answers:?}");
}

#[test]
fn a_gateway_speaks_through_socket_pairs() {
    let temp = TempEnv::new();
    let (mut asks, stdin) = UnixStream::pair().unwrap();
    let (hears, stdout) = UnixStream::pair().unwrap();
    let mut child = gateway(
        &temp,
        OwnedFd::from(stdin).into(),
        OwnedFd::from(stdout).into(),
    );
    for message in conversation() {
        writeln!(asks, "{message}").unwrap();
    }
    hears.set_read_timeout(Some(TIMEOUT)).unwrap();
    let answers: Vec<String> = BufReader::new(hears)
        .lines()
        .take(2)
        .map(Result::unwrap)
        .collect();
    assert_saved(&answers);
    asks.shutdown(Shutdown::Write).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_gateway_writes_its_answers_into_a_file() {
    let temp = TempEnv::new();
    let path = temp.root().join("answers");
    let output = File::create(&path).unwrap();
    let mut child = gateway(&temp, Stdio::piped(), output.into());
    let mut asks = child.stdin.take().unwrap();
    for message in conversation() {
        writeln!(asks, "{message}").unwrap();
    }
    let answers = || -> Vec<String> {
        std::fs::read_to_string(&path)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    };
    let deadline = std::time::Instant::now() + TIMEOUT;
    while answers().len() < 2 && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_saved(&answers());
    drop(asks);
    assert!(child.wait().unwrap().success());
}

#[test]
fn every_damaged_line_is_answered_under_its_id() {
    let temp = TempEnv::new();
    let (mut asks, stdin) = UnixStream::pair().unwrap();
    let (hears, stdout) = UnixStream::pair().unwrap();
    let mut child = gateway(
        &temp,
        OwnedFd::from(stdin).into(),
        OwnedFd::from(stdout).into(),
    );
    hears.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut answers = BufReader::new(hears).lines();
    let mut ask = |line: &str, expected: usize| -> Vec<Value> {
        writeln!(asks, "{line}").unwrap();
        let answers = answers.by_ref().take(expected);
        let mut ids: Vec<Value> = answers
            .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["id"].clone())
            .collect();
        ids.sort_by_key(Value::to_string);
        ids
    };
    assert_eq!(ask(&conversation()[0].to_string(), 1), [json!(1)]);
    let ping = |id: u64| json!({ "jsonrpc": "2.0", "id": id, "method": "ping" }).to_string();
    for (line, ids) in [
        (format!("{}{}", ping(2), ping(3)), vec![2, 3]),
        (format!("{}\r{}", ping(4), ping(5)), vec![4, 5]),
        (
            format!(
                "[{},{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":NaN}}]",
                ping(6)
            ),
            vec![6, 7],
        ),
        (
            r#"{"jsonrpc":"2.0" "id":8,"method":"ping"}"#.to_owned(),
            vec![8],
        ),
        (
            r#"{"jsonrpc":"2.0","method":"ping","params":{"a":{"b":[1,2}},"id":9}"#.to_owned(),
            vec![9],
        ),
        (
            r#"{"jsonrpc":"2.0","id":0016,"method":"ping"}"#.to_owned(),
            vec![16],
        ),
    ] {
        let expected: Vec<_> = ids.into_iter().map(Value::from).collect();
        assert_eq!(ask(&line, expected.len()), expected, "{line}");
    }
    for depth in [32, 120, 126, 127, 128, 129, 10_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":{depth},"method":"tools/call","params":{{"name":"shim_coordinate_task","arguments":{{"action":"submit","goal":"x","payload":{{"a":{deep}}}}}}}}}"#
        );
        assert_eq!(ask(&call, 1), [json!(depth)]);
    }
    drop(asks);
    assert!(child.wait().unwrap().success());
}
