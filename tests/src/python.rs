//! Runs the Python clients of `tests/python`: programs whose protocol code was not written here.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::binary;
use crate::mcp::GatewayLaunch;

const TIMEOUT: Duration = Duration::from_secs(60);

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("python")
        .join(name)
}

/// Python, or the reason why this test cannot run.
///
/// # Panics
/// If there is none: a test of real clients that silently tests nothing would be worse.
#[must_use]
pub fn interpreter() -> PathBuf {
    binary::python().expect(
        "no Python with the packages of tests/python/requirements.txt: \
         run `make test` (it makes target/venv) or set SHIM_PYTHON",
    )
}

/// The words that run a script of `tests/python`.
#[must_use]
pub fn script_command(name: &str) -> Vec<String> {
    vec![
        interpreter().display().to_string(),
        script(name).display().to_string(),
    ]
}

/// Runs a script to its end and returns the JSON it printed.
///
/// # Panics
/// If it fails, with what it said.
pub async fn run(name: &str, arguments: &[&str]) -> Value {
    let mut command = Command::new(interpreter());
    command
        .arg(script(name))
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(TIMEOUT, command.output()).await;
    let output = ended
        .expect("the script ends in time")
        .expect("python runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} failed:\n{said}");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{name} printed no JSON ({e}):\n{said}"))
}

/// The MCP Python SDK as a Claude client: it owns a gateway and does what it is told. Dropping it kills it.
#[derive(Debug)]
pub struct SdkClient {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    protocol: String,
}

impl SdkClient {
    /// Starts the SDK, which starts the gateway and agrees on the protocol: `legacy` or a version without handshake.
    ///
    /// # Panics
    /// If they do not come to terms.
    pub async fn open(launch: &GatewayLaunch, mode: &str) -> Self {
        let environment: serde_json::Map<_, _> = launch
            .environment()
            .iter()
            .cloned()
            .map(|(name, value)| (name, Value::from(value)))
            .collect();
        let server = json!({"command": launch.command(), "env": environment});
        let mut child = Command::new(interpreter())
            .arg(script("mcp_client.py"))
            .args([mode, &server.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("python runs");
        let orders = child.stdin.take().expect("stdin is a pipe");
        let answers = BufReader::new(child.stdout.take().expect("stdout is a pipe")).lines();
        let mut client = Self {
            child,
            orders,
            answers,
            protocol: String::new(),
        };
        let greeting = client.next_answer().await;
        client.protocol = greeting["protocol"]
            .as_str()
            .expect("the SDK tells the version agreed on")
            .to_owned();
        client
    }

    /// The version of the protocol the two agreed on.
    #[must_use]
    pub fn protocol(&self) -> &str {
        &self.protocol
    }

    /// Gives an order without waiting for the answer.
    ///
    /// # Panics
    /// If the SDK left.
    pub async fn send(&mut self, order: &Value) {
        self.orders
            .write_all(format!("{order}\n").as_bytes())
            .await
            .expect("the SDK reads");
        self.orders.flush().await.expect("the SDK reads");
    }

    /// Orders something of the SDK and returns what it got: `{"ok": ...}` or `{"error": ...}`.
    ///
    /// # Panics
    /// If the SDK left or takes too long.
    pub async fn order(&mut self, order: &Value) -> Value {
        self.send(order).await;
        self.next_answer().await
    }

    /// Calls a tool and returns its result.
    ///
    /// # Panics
    /// If the SDK raised an error.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let mut answer = self
            .order(&json!({"do": "call", "name": tool, "arguments": arguments}))
            .await;
        assert!(answer.get("error").is_none(), "{tool}: {answer}");
        answer["ok"].take()
    }

    async fn next_answer(&mut self) -> Value {
        let line = tokio::time::timeout(TIMEOUT, self.answers.next_line()).await;
        let line = line
            .expect("the SDK answers in time")
            .expect("the pipe can be read")
            .expect("the SDK lives");
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("not JSON ({e}): {line}"))
    }

    /// Its process.
    ///
    /// # Panics
    /// If it was waited for already.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the SDK was not waited for")
    }

    /// Ends it with SIGKILL and waits until it is gone.
    ///
    /// # Panics
    /// If it cannot be waited for.
    pub async fn kill(&mut self) {
        crate::process::signal(self.pid(), nix::sys::signal::Signal::SIGKILL);
        self.child.wait().await.expect("a child can be waited for");
    }

    /// Hangs up in good order and waits for it to leave.
    ///
    /// # Panics
    /// If it does not leave in time.
    pub async fn close(mut self) {
        drop(self.orders);
        let left = tokio::time::timeout(TIMEOUT, self.child.wait()).await;
        left.expect("the SDK leaves in time")
            .expect("a child can be waited for");
    }
}
