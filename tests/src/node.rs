//! Runs the Node programs of `tests/node`: BullMQ and Bull Board as their authors made them.
//!
//! The packages lie in the target folder and the scripts in the source tree, which is linked into it: Node must not
//! follow that link when it looks for a script's packages.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::binary;

/// BullMQ needs this long to notice a dead worker.
const TIMEOUT: Duration = Duration::from_secs(180);
const AS_LINKED: [&str; 2] = ["--preserve-symlinks", "--preserve-symlinks-main"];

/// The packages and scripts, or the reason why this test cannot run.
///
/// # Panics
/// If there are none: a test of real clients that silently tests nothing would be worse.
#[must_use]
pub fn folder() -> PathBuf {
    binary::node().expect(
        "no packages of tests/node/package.json: \
         run `make test` (it makes target/node) or set SHIM_NODE",
    )
}

/// Links the packages of the evolution service that the tests of all crates share into a data folder, as far as they are
/// installed: installing them takes a minute.
///
/// # Panics
/// If the data folder cannot be written.
pub fn share_evolution_tools(data_dir: &Path) {
    use std::os::unix::fs::{DirBuilderExt, symlink};
    let tools = data_dir.join("tools");
    let mut private = std::fs::DirBuilder::new();
    let made = private.recursive(true).mode(0o700).create(&tools);
    made.expect("a throw-away folder can be written");
    let shared = binary::node().map(|folder| std::fs::read_dir(folder.join("evolution")));
    for installed in shared.into_iter().flatten().flatten().flatten() {
        let name = installed.file_name();
        if name.to_string_lossy().len() == 16 {
            symlink(installed.path(), tools.join(name)).expect("a new folder is empty");
        }
    }
}

/// The queues a program works on.
#[derive(Debug, Clone)]
pub struct BullmqQueues {
    /// The Redis, as `redis_url` gives it.
    pub redis: String,
    /// What the names of all keys begin with.
    pub prefix: String,
    /// The queues; most programs look at the first one only.
    pub queues: Vec<String>,
}

impl BullmqQueues {
    /// One queue.
    #[must_use]
    pub fn new(redis: &str, prefix: &str, queue: &str) -> Self {
        Self {
            redis: redis.to_owned(),
            prefix: prefix.to_owned(),
            queues: vec![queue.to_owned()],
        }
    }

    /// Starts a script on it, with flags of its own.
    ///
    /// # Panics
    /// If Node cannot be run.
    #[must_use]
    pub fn start(&self, script: &str, flags: &[&str]) -> NodeScript {
        let mut command = Command::new("node");
        command
            .args(AS_LINKED)
            .arg(folder().join("scripts").join(script))
            .args(["--redis", &self.redis, "--prefix", &self.prefix]);
        for queue in &self.queues {
            command.args(["--queue", queue]);
        }
        let mut child = command
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs");
        let orders = child.stdin.take().expect("stdin is a pipe");
        let output = child.stdout.take().expect("stdout is a pipe");
        NodeScript {
            script: script.to_owned(),
            child,
            orders,
            output: BufReader::new(output).lines(),
        }
    }

    /// A BullMQ worker that is ready to take jobs; see `worker.mjs` for its flags.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn worker(&self, flags: &[&str]) -> NodeScript {
        let mut worker = self.start("worker.mjs", flags);
        worker.until(|output| output["ready"] == json!(true)).await;
        worker
    }
}

/// A running script. It ends with the test: it is killed when this is dropped, and leaves by itself when its input ends.
#[derive(Debug)]
pub struct NodeScript {
    script: String,
    child: Child,
    orders: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl NodeScript {
    /// Gives it an order.
    ///
    /// # Panics
    /// If it left.
    pub async fn order(&mut self, order: &Value) {
        let line = format!("{order}\n");
        let written = self.orders.write_all(line.as_bytes()).await;
        written.unwrap_or_else(|e| panic!("{} does not listen: {e}", self.script));
    }

    /// The next thing it tells.
    ///
    /// # Panics
    /// If it left or takes too long.
    pub async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(TIMEOUT, self.output.next_line()).await;
        let line = line
            .unwrap_or_else(|_| panic!("{} told nothing for {TIMEOUT:?}", self.script))
            .expect("the pipe can be read")
            .unwrap_or_else(|| panic!("{} left; see what it said above", self.script));
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("not JSON ({e}): {line}"))
    }

    /// The next thing it tells that is wanted; all before it is passed over.
    ///
    /// # Panics
    /// If it left or falls silent.
    pub async fn until(&mut self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let output = self.next().await;
            if is_wanted(&output) {
                return output;
            }
        }
    }

    /// Ends it with SIGKILL and waits until it is gone.
    ///
    /// # Panics
    /// If it cannot be waited for.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a child can be killed");
    }
}

/// Reads JSON over HTTP from a program of `tests/node`, as a browser would.
///
/// # Panics
/// If the answer is not a 200 with JSON.
pub async fn get_json(url: &str, path: &str) -> Value {
    let (status, body) = http("GET", url, path).await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|e| panic!("{path}: not JSON ({e}): {body}"))
}

/// Presses a button of a program of `tests/node`, as a browser would; returns the status.
///
/// # Panics
/// If it does not answer.
pub async fn press(url: &str, path: &str) -> u16 {
    http("PUT", url, path).await.0
}

/// The status and the body of an answer.
async fn http(method: &str, url: &str, path: &str) -> (u16, String) {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request =
        format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n");
    let sent = stream.write_all(request.as_bytes()).await;
    sent.expect("it reads");
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer).await;
    read.expect("it answers in UTF-8");
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .expect("HTTP has a head and a body");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (status.expect("HTTP has a status"), body.to_owned())
}
