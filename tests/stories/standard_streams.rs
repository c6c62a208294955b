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

/// A gateway that is spoken to in lines of any kind.
struct Spoken {
    child: std::process::Child,
    asks: UnixStream,
    answers: std::io::Lines<BufReader<UnixStream>>,
}

impl Spoken {
    fn open(temp: &TempEnv) -> Self {
        let (asks, stdin) = UnixStream::pair().unwrap();
        let (hears, stdout) = UnixStream::pair().unwrap();
        let child = gateway(
            temp,
            OwnedFd::from(stdin).into(),
            OwnedFd::from(stdout).into(),
        );
        hears.set_read_timeout(Some(TIMEOUT)).unwrap();
        let answers = BufReader::new(hears).lines();
        let mut spoken = Self {
            child,
            asks,
            answers,
        };
        spoken.ask(&conversation()[0].to_string(), 1);
        spoken
    }

    /// The answers to a line, by their ids.
    fn ask(&mut self, line: &str, expected: usize) -> Vec<Value> {
        writeln!(self.asks, "{line}").unwrap();
        let answers = self.answers.by_ref().take(expected);
        let mut answers: Vec<Value> = answers
            .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
            .collect();
        answers.sort_by_key(|answer| answer["id"].to_string());
        answers
    }

    fn ids(&mut self, line: &str, expected: usize) -> Vec<Value> {
        let answers = self.ask(line, expected).into_iter();
        answers.map(|answer| answer["id"].clone()).collect()
    }

    fn close(mut self) {
        drop(self.asks);
        assert!(self.child.wait().unwrap().success());
    }
}

fn call(id: usize, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"shim_coordinate_task","arguments":{arguments}}}}}"#
    )
}

#[test]
fn every_damaged_line_is_answered_under_its_id() {
    let temp = TempEnv::new();
    let mut spoken = Spoken::open(&temp);
    let ping = |id: u64| json!({ "jsonrpc": "2.0", "id": id, "method": "ping" }).to_string();
    let half = r#"{"jsonrpc":"2.0","id":7,"method":NaN}"#;
    for (line, ids) in [
        (format!("{}{}", ping(2), ping(3)), vec![2, 3]),
        (format!("{}\r{}", ping(4), ping(5)), vec![4, 5]),
        (format!("[{},{half}]", ping(6)), vec![6, 7]),
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
        assert_eq!(spoken.ids(&line, expected.len()), expected, "{line}");
    }
    for depth in [32, 120, 126, 127, 128, 129, 10_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let submit = format!(r#"{{"action":"submit","goal":"x","payload":{{"a":{deep}}}}}"#);
        assert_eq!(spoken.ids(&call(depth, &submit), 1), [json!(depth)]);
    }
    spoken.close();
}

#[test]
fn what_reading_a_call_would_lose_is_refused_with_its_place() {
    let temp = TempEnv::new();
    let mut spoken = Spoken::open(&temp);
    let submit = |payload: &str| format!(r#"{{"action":"submit","goal":"x","payload":{payload}}}"#);
    let twice = r#"{"action":"submit","goal":"x"},"arguments":{"action":"submit","goal":"y"}"#;
    for (arguments, said) in [
        (submit(r#"{"a":1,"a":2}"#), "payload.a: is given twice"),
        (
            submit(r#"{"a":[{"b":1,"b":2}]}"#),
            "payload.a[0].b: is given twice",
        ),
        (
            submit(r#""{\"a\":1,\"a\":2}""#),
            "payload.a: is given twice",
        ),
        (
            submit(r#"{"id":12345678901234567890123}"#),
            "payload.id: is 12345678901234567890123, and",
        ),
        (
            submit(r#"{"id":0.1234567890123456789}"#),
            "payload.id: is 0.1234567890123456789, which has more digits",
        ),
        (
            submit(r#"{"id":1e-400}"#),
            "payload.id: is 1e-400, which is so close to 0",
        ),
        (
            r#"{"action":"status","action":"submit","goal":"x"}"#.to_owned(),
            "action: is given twice",
        ),
        (twice.to_owned(), "arguments: is given twice"),
    ] {
        let answer = spoken.ask(&call(9, &arguments), 1)[0].clone();
        let text = answer["result"]["content"][0]["text"]
            .as_str()
            .unwrap_or_default();
        assert!(
            answer["result"]["isError"] == true && text.contains(said),
            "{arguments}: {answer}"
        );
    }
    spoken.close();
}
