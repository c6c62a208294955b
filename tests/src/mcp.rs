//! A `shim gateway` process and the smallest MCP client: JSON lines over its pipes, in the era that begins with
//! `initialize`. Where the client itself matters, the stories use a real SDK instead.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::{binary, process};

/// The era Claude's clients open with.
pub const PROTOCOL: &str = "2025-11-25";
/// No tool call may take longer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The facts of a tool's answer.
///
/// # Panics
/// If the tool refused.
#[must_use]
pub fn tool_output(mut answer: Value) -> Value {
    assert_ne!(answer["isError"], Value::Bool(true), "{answer}");
    answer["structuredContent"].take()
}

/// The stable reason of a tool's refusal.
///
/// # Panics
/// If the tool did what it was asked.
#[must_use]
pub fn refusal(answer: &Value) -> String {
    assert_eq!(answer["isError"], Value::Bool(true), "{answer}");
    let reason = answer["structuredContent"]["error"]["reason"].as_str();
    reason
        .unwrap_or_else(|| panic!("a refusal without a reason: {answer}"))
        .to_owned()
}

/// How to start a gateway.
#[derive(Debug, Clone)]
pub struct GatewayLaunch {
    command: Vec<String>,
    project: PathBuf,
    environment: Vec<(String, String)>,
    log: Option<PathBuf>,
}

impl GatewayLaunch {
    /// A gateway for `project` on the local stack of `data_dir`.
    #[must_use]
    pub fn new(data_dir: &Path, project: &Path) -> Self {
        let shim = binary::shim().display().to_string();
        let words = [
            &shim,
            "--data-dir",
            &data_dir.display().to_string(),
            "--log",
            "warn",
            "gateway",
        ];
        let mut launch = Self::of_command(words.map(str::to_owned).to_vec(), project);
        launch.environment.push((
            "CLAUDE_PROJECT_DIR".to_owned(),
            project.display().to_string(),
        ));
        launch
    }

    /// Any other MCP server.
    #[must_use]
    pub fn of_command(command: Vec<String>, project: &Path) -> Self {
        Self {
            command,
            project: project.to_path_buf(),
            environment: Vec::new(),
            log: None,
        }
    }

    /// With all that it can log in a new file, instead of warnings in the test's own output.
    #[must_use]
    pub fn with_log(mut self, file: &Path) -> Self {
        let mut words = self.command.iter_mut();
        if words.any(|word| word == "--log")
            && let Some(filter) = words.next()
        {
            *filter = "trace".to_owned();
        }
        self.log = Some(file.to_path_buf());
        self
    }

    /// On the checkpoint service behind `socket` instead of the local stack.
    #[must_use]
    pub fn with_service(mut self, socket: &Path) -> Self {
        self.environment.push((
            "SHIM_ENDPOINTS_CHECKPOINT".to_owned(),
            format!("unix:{}", socket.display()),
        ));
        self
    }

    /// With an environment variable more.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The environment a client gives it.
    #[must_use]
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// The program and its arguments.
    #[must_use]
    pub fn command(&self) -> &[String] {
        &self.command
    }

    /// Starts it; the client has not said a word yet.
    ///
    /// # Panics
    /// If the binary cannot be run.
    #[must_use]
    pub fn spawn(&self) -> Gateway {
        let log = self.log.as_ref().map_or_else(Stdio::inherit, |file| {
            let log = std::fs::File::create(file).expect("the log can be written");
            log.into()
        });
        let mut child = Command::new(&self.command[0])
            .args(&self.command[1..])
            .current_dir(&self.project)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("the shim binary runs");
        let stdin = child.stdin.take().expect("stdin is a pipe");
        let answers = BufReader::new(child.stdout.take().expect("stdout is a pipe")).lines();
        Gateway {
            child,
            stdin: Some(stdin),
            answers,
            last_id: 0,
        }
    }

    /// Starts it and shakes hands.
    pub async fn open(&self) -> Gateway {
        let mut gateway = self.spawn();
        gateway.initialize().await;
        gateway
    }
}

/// A gateway and its client. Dropping it kills the gateway.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
    last_id: u64,
}

impl Gateway {
    /// Shakes hands and returns what the server says of itself.
    ///
    /// # Panics
    /// If it refuses.
    pub async fn initialize(&mut self) -> Value {
        let params = json!({
            "protocolVersion": PROTOCOL,
            "capabilities": {},
            "clientInfo": {"name": "shim-tests", "version": env!("CARGO_PKG_VERSION")},
        });
        let answer = self
            .request("initialize", params)
            .await
            .expect("initialize is answered");
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await;
        answer
    }

    /// Calls a tool and returns its result, which may be an error for the model.
    ///
    /// # Panics
    /// If the answer is an error of the protocol.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let params = json!({"name": tool, "arguments": arguments});
        self.request("tools/call", params)
            .await
            .unwrap_or_else(|error| panic!("{tool}: {error}"))
    }

    /// Sends a request and returns `result`, or `error` as `Err`.
    ///
    /// # Errors
    /// The protocol's error object.
    ///
    /// # Panics
    /// If the gateway leaves, talks no JSON or takes too long.
    pub async fn request(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .await;
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.answer_to(id)).await;
        let mut answer = answer
            .unwrap_or_else(|_| panic!("{method} was not answered within {ANSWER_TIMEOUT:?}"));
        match answer.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(answer["result"].take()),
        }
    }

    /// Reads until the answer to `id` comes; what the server says on its own is passed over.
    async fn answer_to(&mut self, id: u64) -> Value {
        loop {
            let message = self.next_message().await;
            if message["id"] == json!(id) {
                return message;
            }
        }
    }

    /// The next message of the gateway, whatever it answers.
    ///
    /// # Panics
    /// If the gateway leaves, talks no JSON or takes too long.
    pub async fn next_message(&mut self) -> Value {
        let line = tokio::time::timeout(ANSWER_TIMEOUT, self.answers.next_line()).await;
        let line = line
            .unwrap_or_else(|_| panic!("nothing was answered within {ANSWER_TIMEOUT:?}"))
            .expect("the pipe can be read")
            .expect("the gateway lives");
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("not JSON ({e}): {line}"))
    }

    /// Sends one message as a line.
    ///
    /// # Panics
    /// If the gateway no longer reads.
    pub async fn send(&mut self, message: &Value) {
        self.send_bytes(format!("{message}\n").as_bytes()).await;
    }

    /// Sends bytes that may be no message at all.
    ///
    /// # Panics
    /// If the gateway no longer reads.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("the client has not hung up");
        stdin.write_all(bytes).await.expect("the gateway reads");
        stdin.flush().await.expect("the gateway reads");
    }

    /// Its process.
    ///
    /// # Panics
    /// If it was waited for already.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the gateway was not waited for")
    }

    /// Its resident memory in bytes.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        process::resident_bytes(self.pid())
    }

    /// Ends it with SIGKILL and waits until it is gone.
    ///
    /// # Panics
    /// If it cannot be waited for.
    pub async fn kill(&mut self) {
        process::signal(self.pid(), Signal::SIGKILL);
        self.child.wait().await.expect("a child can be waited for");
    }

    /// Freezes it.
    pub fn freeze(&self) {
        process::signal(self.pid(), Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        process::signal(self.pid(), Signal::SIGCONT);
    }

    /// Hangs up as a client does that quits, and waits for it to leave.
    ///
    /// # Panics
    /// If it does not leave in time.
    pub async fn close(mut self) {
        drop(self.stdin.take());
        let left = tokio::time::timeout(ANSWER_TIMEOUT, self.child.wait()).await;
        left.expect("a gateway leaves when its client hangs up")
            .expect("a child can be waited for");
    }
}
