//! The room: one network namespace with the stand-in of the Messages API and all that speaks to it.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use uuid::Uuid;

use crate::{binary, process, python};

/// Only a stuck system takes longer.
const TIMEOUT: Duration = Duration::from_secs(90);
/// A variable by which all that was started here is found again, whoever its parent is.
const MARK: &str = "TEST_LAB_OF_SHIM";
/// Events that a failed test shows.
const SHOWN_EVENTS: usize = 25;
const SHOWN_CHARS: usize = 300;

/// What a program's standard streams are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// No input, lines out.
    None,
    /// Lines in, lines out.
    Pipes,
    /// A terminal.
    Terminal,
}

/// The room. Dropping it ends all that runs in it.
#[derive(Debug)]
pub struct ClaudeLab {
    child: Child,
    orders: ChildStdin,
    events: Lines<BufReader<ChildStdout>>,
    /// Events that nobody waited for yet.
    kept: VecDeque<Value>,
    port: u16,
    mark: String,
    root: PathBuf,
    is_of_user: bool,
}

impl ClaudeLab {
    /// Opens a room whose homes lie below `root`; `None`, with the reason on stderr, where the machine has no namespaces to
    /// give or no such client is made for it.
    ///
    /// # Panics
    /// If the client is made for this machine and not installed, or the room does not open.
    pub async fn open(root: &Path) -> Option<Self> {
        let Some(unshare) = unshare().await else {
            eprintln!("skipped: no network namespace is to be had here (unshare -n, unshare -rn)");
            return None;
        };
        if binary::claude().is_none() {
            eprintln!("skipped: there is no Claude Code for this kind of machine");
            return None;
        }
        let mark = Uuid::new_v4().to_string();
        let mut command = Command::new("unshare");
        command
            .args(unshare)
            .args(["--"])
            .args(python::script_command("claude_lab.py"))
            .env(MARK, &mark)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("unshare runs");
        let orders = child.stdin.take().expect("stdin is a pipe");
        let output = child.stdout.take().expect("stdout is a pipe");
        let mut lab = Self {
            child,
            orders,
            events: BufReader::new(output).lines(),
            kept: VecDeque::new(),
            port: 0,
            mark,
            root: root.to_path_buf(),
            is_of_user: unshare.contains(&"-rn"),
        };
        let ready = lab.until("the stand-in", |event| event["event"] == "ready");
        lab.port = serde_json::from_value(ready.await["port"].take()).expect("a port is a number");
        Some(lab)
    }

    /// Below which the homes lie.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the stand-in listens, inside.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The words that run a program inside, as a process of their caller.
    ///
    /// # Panics
    /// If the room is closed.
    #[must_use]
    pub fn entry(&self) -> Vec<String> {
        let pid = self.child.id().expect("the room is open").to_string();
        let mut words = vec!["nsenter", "-t", &pid, "-n"];
        if self.is_of_user {
            words.extend(["-U", "--preserve-credentials"]);
        }
        words.push("--");
        words.into_iter().map(str::to_owned).collect()
    }

    /// What the model says next to the windows with this key, beside what is left.
    pub async fn script(&mut self, key: &str, steps: &[Value]) {
        let order = json!({"do": "steps", "window": key, "steps": steps});
        self.order(&order).await;
    }

    /// What it says to calls that are no turn: titles, summaries.
    pub async fn aside(&mut self, key: &str, text: &str) {
        self.order(&json!({"do": "aside", "window": key, "text": text}))
            .await;
    }

    /// Lets the answer go that a step holds back, or will.
    pub async fn release(&mut self, key: &str) {
        self.order(&json!({"do": "release", "window": key})).await;
    }

    /// Starts a program inside with this environment and no other; returns its process id.
    pub async fn start(
        &mut self,
        name: &str,
        argv: &[String],
        folder: &Path,
        environment: &BTreeMap<String, String>,
        streams: Streams,
    ) -> u32 {
        let streams = match streams {
            Streams::None => "none",
            Streams::Pipes => "pipes",
            Streams::Terminal => "terminal",
        };
        let mut environment = environment.clone();
        environment.insert(MARK.to_owned(), self.mark.clone());
        let order = json!({
            "do": "run", "name": name, "argv": argv, "cwd": folder, "env": environment, "streams": streams,
        });
        self.order(&order).await;
        let is_started = |event: &Value| event["event"] == "started" && event["name"] == name;
        let what = format!("the start of {name}");
        let mut started = self.until(&what, is_started).await;
        serde_json::from_value(started["pid"].take()).expect("a pid is a number")
    }

    /// Writes to a program.
    pub async fn type_into(&mut self, name: &str, text: &str) {
        self.order(&json!({"do": "type", "name": name, "text": text}))
            .await;
    }

    /// Closes a program's terminal or standard input.
    pub async fn close(&mut self, name: &str) {
        self.order(&json!({"do": "close", "name": name})).await;
    }

    /// Waits for an event; those that came before and nobody waited for count, too, in their order.
    ///
    /// # Panics
    /// If it does not come, with the last events.
    pub async fn until(&mut self, what: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.kept.iter().position(&is_wanted)
            && let Some(event) = self.kept.remove(at)
        {
            return event;
        }
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        loop {
            let next = tokio::time::timeout_at(deadline, self.events.next_line()).await;
            let Ok(Ok(Some(line))) = next else {
                panic!("{what} did not come; the last events:\n{}", self.last());
            };
            let event: Value =
                serde_json::from_str(&line).unwrap_or_else(|e| panic!("not JSON ({e}): {line}"));
            assert_ne!(event["event"], "failed", "{event}");
            if is_wanted(&event) {
                return event;
            }
            self.kept.push_back(event);
        }
    }

    /// Events that came, and nobody waited for.
    pub fn kept(&self) -> impl Iterator<Item = &Value> {
        self.kept.iter()
    }

    /// The next turn that a window with this key asks the model for.
    pub async fn turn(&mut self, key: &str) -> Value {
        let is_turn = |event: &Value| {
            event["event"] == "request" && event["window"] == key && event["is_turn"] == true
        };
        self.until(&format!("a turn of {key}"), is_turn).await
    }

    /// The end of a program: its exit code, or the signal that killed it.
    pub async fn ended(&mut self, name: &str) -> Value {
        let is_end = |event: &Value| event["event"] == "exited" && event["name"] == name;
        self.until(&format!("the end of {name}"), is_end).await
    }

    /// What a program wrote so far, line by line, which is taken out of what is kept.
    pub fn take_output(&mut self, name: &str) -> Vec<String> {
        let is_output = |event: &Value| event["event"] == "output" && event["name"] == name;
        let (output, rest) = std::mem::take(&mut self.kept)
            .into_iter()
            .partition::<Vec<_>, _>(is_output);
        self.kept = rest.into();
        let line = |event: Value| event["line"].as_str().unwrap_or_default().to_owned();
        output.into_iter().map(line).collect()
    }

    async fn order(&mut self, order: &Value) {
        let line = format!("{order}\n");
        let written = self.orders.write_all(line.as_bytes()).await;
        written.expect("the room takes orders");
    }

    fn last(&self) -> String {
        let kept = self.kept.iter().rev().take(SHOWN_EVENTS);
        let shown = kept.map(|event| event.to_string().chars().take(SHOWN_CHARS).collect());
        let mut shown: Vec<String> = shown.collect();
        shown.reverse();
        shown.join("\n")
    }
}

impl Drop for ClaudeLab {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        // What was started here may have left its group, its session and its parent.
        for pid in marked(&format!("{MARK}={}", self.mark)) {
            process::signal(pid, Signal::SIGKILL);
        }
    }
}

/// The processes with this in their environment.
fn marked(mark: &str) -> Vec<u32> {
    let folders = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = folders.filter_map(|folder| folder.file_name().to_str()?.parse().ok());
    let is_marked = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|it| it == mark.as_bytes())
    };
    pids.filter(is_marked).collect()
}

/// The arguments of `unshare` that work here.
async fn unshare() -> Option<&'static [&'static str]> {
    for arguments in [&["-n"][..], &["-rn"]] {
        let mut probe = Command::new("unshare");
        probe
            .args(arguments)
            .arg("true")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if probe.status().await.is_ok_and(|status| status.success()) {
            return Some(arguments);
        }
    }
    None
}
