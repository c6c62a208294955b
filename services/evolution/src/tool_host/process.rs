//! One running host: a Node process that is asked and answers, one call after the other.
//!
//! What it prints goes to its error output, of which the end is kept for the message if it dies. Its requests and answers have
//! descriptors of their own, so no print of a tool can break one.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use shim_exec::{GroupChild, Groups, Launch, first_line, inherited_env};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::time::{Instant, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::messages::{Incoming, Messages, ReadError};
use super::node::Node;

/// Moves requests and answers to descriptors of their own: 4 is the program's input, 3 its output; its prints go to its error
/// output, and it reads nothing.
const DESCRIPTORS: [&str; 3] = ["-c", r#"exec "$@" 3>&1 4<&0 1>&2 0</dev/null"#, "sh"];
/// The variables of ours that a tool sees beside the usual ones. `NODE_OPTIONS` and `NODE_PATH` would change what runs.
const VARIABLES: [&str; 3] = ["TMPDIR", "LC_ALL", "TZ"];
/// A call that is cancelled has so long to say so, before the host is killed: two seconds in all.
const CANCEL_WITHIN: Duration = Duration::from_secs(1);
const KILL_WITHIN: Duration = Duration::from_secs(5);
/// Bytes kept of what the host printed last.
const MAX_LAST_WORDS: usize = 8 * 1024;
const CHUNK_BYTES: usize = 64 * 1024;
const MEMORY_LOOKED_AT: Duration = Duration::from_millis(500);

/// Whose code a host may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Confinement {
    /// Ours alone. It writes nothing and starts nothing, and serves every project.
    OwnCode,
    /// The code of one project, too; it serves no other.
    ProjectCode(std::path::PathBuf),
    /// A user's transform, too, for one project. It writes nothing and starts nothing.
    Transform(std::path::PathBuf),
}

/// What a host is started with.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostLimits {
    /// Bytes of memory: of the heap, and of the process when no call runs.
    pub(super) memory: u64,
    /// Bytes of one message.
    pub(super) message: usize,
}

/// A running host. Dropped, its whole process group is killed.
#[derive(Debug)]
pub(super) struct HostProcess {
    pub(super) confinement: Confinement,
    /// Bytes that the process uses, as it said with its last answer.
    pub(super) memory: u64,
    child: GroupChild,
    requests: ChildStdin,
    answers: Messages<ChildStdout>,
    prints: ChildStderr,
    last_words: VecDeque<u8>,
    next_id: u64,
    limits: HostLimits,
}

/// A call, as it is passed to a host.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) params: &'a serde_json::Value,
    pub(super) deadline: Instant,
    /// How long the host may say nothing, from its first word of progress on.
    pub(super) silence: Option<Duration>,
    pub(super) cancel: &'a CancellationToken,
}

/// What comes before the answer.
pub(super) trait Listener {
    /// The host says how far it is.
    fn progress(&mut self, message: &[u8]);
    /// A piece of a large answer; the error ends the call.
    fn part(&mut self, message: &[u8]) -> Result<(), String>;
}

/// How a call ended.
#[derive(Debug)]
pub(super) enum Exchange {
    /// With this message.
    Answered(Vec<u8>),
    /// The time was up.
    TimedOut,
    /// It said nothing for too long.
    Silent,
    /// The caller is gone; whether the host can take the next call.
    Cancelled { is_reusable: bool },
    /// The host used more memory than it may.
    OutOfMemory,
    /// The host is gone.
    Died { how: String },
    /// The caller cannot use a piece of the answer.
    Refused { why: String },
}

/// A call that a host works on.
struct OpenCall {
    id: u64,
    /// What the host has not read yet.
    outgoing: VecDeque<u8>,
    deadline: Instant,
    silence: Option<Duration>,
    /// When it was silent for too long.
    speaks_until: Option<Instant>,
    is_cancelling: bool,
}

impl OpenCall {
    fn new(id: u64, request: &Request<'_>) -> Self {
        let line = json!({ "jsonrpc": "2.0", "id": id, "method": request.method, "params": request.params });
        Self {
            id,
            outgoing: format!("{line}\n").into_bytes().into(),
            deadline: request.deadline,
            silence: request.silence,
            speaks_until: None,
            is_cancelling: false,
        }
    }

    fn has_bytes(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Some of what the host has not read yet.
    fn next_bytes(&self) -> &[u8] {
        self.outgoing.as_slices().0
    }

    fn written(&mut self, written: &std::io::Result<usize>) {
        match written {
            Ok(count) => drop(self.outgoing.drain(..*count)),
            // The end of its output says how the host ended.
            Err(_) => self.outgoing.clear(),
        }
    }

    fn spoke(&mut self) {
        self.speaks_until = self.silence.map(|silence| Instant::now() + silence);
    }

    /// When the call is ended.
    fn due(&self) -> Instant {
        self.speaks_until
            .map_or(self.deadline, |until| until.min(self.deadline))
    }

    /// Asks the host to end the call, for which it has a short while.
    fn cancel(&mut self) {
        self.is_cancelling = true;
        self.speaks_until = None;
        self.deadline = Instant::now() + CANCEL_WITHIN;
        let line = json!({ "jsonrpc": "2.0", "method": "cancel", "params": { "id": self.id } });
        self.outgoing.extend(format!("{line}\n").into_bytes());
    }

    /// How the call ends at its deadline.
    fn out_of_time(&self) -> Exchange {
        if self.is_cancelling {
            Exchange::Cancelled { is_reusable: false }
        } else if self.speaks_until.is_some_and(|until| until < self.deadline) {
            Exchange::Silent
        } else {
            Exchange::TimedOut
        }
    }
}

#[derive(Deserialize)]
struct Rss {
    #[serde(default)]
    rss: u64,
}

impl HostProcess {
    pub(super) async fn start(
        node: &Node,
        scripts: &Path,
        confinement: Confinement,
        limits: HostLimits,
        groups: &Arc<Groups>,
    ) -> std::io::Result<Self> {
        let launch = launch(node, scripts, &confinement, limits);
        let mut child = GroupChild::spawn(&launch, groups).await?;
        let closed = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        let requests = child.stdin.take().ok_or_else(closed)?;
        let answers = child.stdout.take().ok_or_else(closed)?;
        let prints = child.stderr.take().ok_or_else(closed)?;
        Ok(Self {
            confinement,
            memory: 0,
            child,
            requests,
            answers: Messages::new(answers, limits.message),
            prints,
            last_words: VecDeque::new(),
            next_id: 0,
            limits,
        })
    }

    /// Passes a call on and waits for its end. Only after [`Exchange::Answered`], or a cancellation that says so, can the
    /// host take another call.
    pub(super) async fn exchange(
        &mut self,
        request: Request<'_>,
        listener: &mut (dyn Listener + Send),
    ) -> Exchange {
        self.next_id += 1;
        let mut call = OpenCall::new(self.next_id, &request);
        let mut memory_looks = interval(MEMORY_LOOKED_AT);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            tokio::select! {
                written = self.requests.write(call.next_bytes()), if call.has_bytes() => call.written(&written),
                printed = self.prints.read(&mut chunk) => match printed {
                    Ok(count @ 1..) => self.remember(&chunk[..count]),
                    _ => return self.died().await,
                },
                message = self.answers.next() => {
                    if let Some(end) = self.received(message, &mut call, listener).await {
                        return end;
                    }
                }
                () = sleep_until(call.due()) => {
                    self.kill().await;
                    return call.out_of_time();
                }
                () = request.cancel.cancelled(), if !call.is_cancelling => call.cancel(),
                _ = memory_looks.tick() => {
                    if resident_bytes(self.child.pid()) > self.limits.memory.saturating_mul(2) {
                        self.kill().await;
                        return Exchange::OutOfMemory;
                    }
                }
            }
        }
    }

    /// The end of the call, if what came from the host is that.
    async fn received(
        &mut self,
        message: Result<Option<Vec<u8>>, ReadError>,
        call: &mut OpenCall,
        listener: &mut (dyn Listener + Send),
    ) -> Option<Exchange> {
        let line = match message {
            Ok(Some(line)) => line,
            Ok(None) | Err(ReadError::Io(_)) => return Some(self.died().await),
            Err(ReadError::TooLong) => {
                let how = "it sent a message without end".to_owned();
                return Some(Exchange::Died { how });
            }
        };
        match Incoming::of(&line) {
            Incoming::Answer(answered) if answered == call.id => {
                Some(self.answered(line, call.is_cancelling))
            }
            Incoming::Progress if !call.is_cancelling => {
                call.spoke();
                listener.progress(&line);
                None
            }
            Incoming::Part if !call.is_cancelling => {
                let refused = listener.part(&line).err();
                refused.map(|why| Exchange::Refused { why })
            }
            _ => None,
        }
    }

    fn answered(&mut self, line: Vec<u8>, is_cancelling: bool) -> Exchange {
        self.memory = serde_json::from_slice(&line).map_or(0, |Rss { rss }| rss);
        if is_cancelling {
            Exchange::Cancelled { is_reusable: true }
        } else {
            Exchange::Answered(line)
        }
    }

    fn remember(&mut self, printed: &[u8]) {
        tracing::debug!(
            printed = &*String::from_utf8_lossy(&printed[..printed.len().min(1_024)]),
            "the tool host printed"
        );
        self.last_words.extend(printed);
        let excess = self.last_words.len().saturating_sub(MAX_LAST_WORDS);
        self.last_words.drain(..excess);
    }

    /// How the host ended, which its output showed.
    async fn died(&mut self) -> Exchange {
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Ok(Ok(count @ 1..)) = timeout(KILL_WITHIN, self.prints.read(&mut chunk)).await {
            self.remember(&chunk[..count]);
        }
        let status = self.kill().await;
        let words = Vec::from(std::mem::take(&mut self.last_words));
        let words = String::from_utf8_lossy(&words);
        if words.contains("JavaScript heap out of memory") {
            return Exchange::OutOfMemory;
        }
        let status = status.map_or_else(|| "it ended".to_owned(), |status| status.to_string());
        let telling = words.lines().rev().find(|line| is_telling(line));
        let last = first_line(telling.unwrap_or_default(), 300);
        let how = if last.is_empty() {
            status
        } else {
            format!("{status}: {last}")
        };
        Exchange::Died { how }
    }

    async fn kill(&mut self) -> Option<std::process::ExitStatus> {
        timeout(KILL_WITHIN, self.child.kill()).await.ok()?.ok()
    }
}

/// Whether a line of the host's prints is more than a frame of a stack.
fn is_telling(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with("at ") && !line.starts_with("Node.js v")
}

fn launch(node: &Node, scripts: &Path, confinement: &Confinement, limits: HostLimits) -> Launch {
    let is_confined = *confinement == Confinement::OwnCode;
    let options = json!({ "isConfined": is_confined, "maxMessageBytes": limits.message });
    let mut args: Vec<String> = DESCRIPTORS.map(str::to_owned).to_vec();
    args.push(node.program.display().to_string());
    args.push("--no-warnings".to_owned());
    args.push(format!("--max-old-space-size={}", limits.memory >> 20));
    if !matches!(confinement, Confinement::ProjectCode(_)) {
        args.push(node.permission_flag().to_owned());
        args.push("--allow-fs-read=*".to_owned());
        // Hooks of the loader run in a worker, to which the same permissions apply.
        args.push("--allow-worker".to_owned());
    }
    args.push(scripts.join("host.js").display().to_string());
    args.push(options.to_string());
    let colours = [("NO_COLOR".into(), "1".into())];
    Launch {
        file: "/bin/sh".into(),
        args,
        folder: scripts.to_path_buf(),
        env: inherited_env(VARIABLES).chain(colours).collect(),
        work_id: "tool-host".to_owned(),
    }
}

/// Bytes of memory that a process uses; 0 where the platform does not tell.
fn resident_bytes(pid: u32) -> u64 {
    // proc(5): `VmRSS:      123 kB`.
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1_024
}
