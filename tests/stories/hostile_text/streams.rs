//! Every RPC that streams, found in the contract: what a client says on one, and what the programs that follow one show while
//! hostile texts arrive. One that is not asked for here fails the story.

use std::process::Stdio;
use std::time::Duration;

use prost::Message;
use prost_reflect::MethodDescriptor;
use serde_json::{Value, json};
use shim_proto::checkpoint::v1::ImportRequest;
use shim_runtime::service_error::decode;
use shim_tests::binary;
use shim_tests::calls::request_id;
use shim_tests::coordination::NAMESPACE;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tonic::Code;

use super::World;
use super::texts::{Hostile, MARKERS, faults as faults_in};
use crate::bad_input::secrets::fields::{field_paths, put};
use crate::bad_input::secrets::streams::{archive, depth, valid_messages};
use crate::bad_input::wire::Wire;

/// A program that shows nothing of what happens for so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Stands in each text that arrives while somebody follows.
const LIVE: &str = "forged live";

/// Says hostile texts on every stream that takes some, and follows every other one while such texts arrive.
pub(super) async fn faults(world: &World, hostile: &Hostile) -> Vec<String> {
    let mut faults = Vec::new();
    let archive = archive().await;
    for wire in [Wire::to, Wire::to_coordination, Wire::to_worker] {
        let wire = wire(&world.service);
        for method in wire.streams() {
            faults.extend(said(&wire, &method, &archive, hostile).await);
        }
        for method in wire.methods() {
            if method.is_server_streaming() {
                faults.extend(followed(world, &wire, &method).await);
            }
        }
    }
    faults
}

/// What is wrong with what a service answers to hostile texts in each field of each message.
async fn said(
    wire: &Wire,
    method: &MethodDescriptor,
    archive: &[ImportRequest],
    hostile: &Hostile,
) -> Vec<String> {
    let mut faults = Vec::new();
    for path in field_paths(&method.input()) {
        for text in [&hostile.lines, &hostile.line] {
            let mut messages = valid_messages(method, wire, archive).await;
            let fits = |at: &usize| std::cmp::Reverse(depth(&messages[*at], &path));
            let at = (0..messages.len()).min_by_key(fits).unwrap();
            put(&mut messages[at], &path, text, &hostile.line);
            let messages = messages.iter().map(|it| it.encode_to_vec().into());
            let (_, ended) = wire.exchange(method, messages.collect()).await;
            let Err(status) = ended else { continue };
            let (what, decoded) = (method.name(), decode(&status));
            faults.extend(faults_in(what, status.message()));
            if [Code::Internal, Code::Unknown].contains(&decoded.code) {
                faults.push(format!("{what}: {decoded}"));
            }
            for (field, rule) in &decoded.violations {
                faults.extend(faults_in(what, &format!("field {field}: {rule}")));
            }
        }
    }
    faults
}

/// What is wrong with what programs show that follow the stream.
async fn followed(world: &World, wire: &Wire, method: &MethodDescriptor) -> Vec<String> {
    let mut faults = Vec::new();
    for json in [false, true] {
        let shown = match method.name() {
            "WatchTask" => {
                let submit = json!({"request_id": request_id(), "goal": MARKERS[0]});
                let job = wire.call("SubmitTask", &submit).await.unwrap();
                let id = job["task"]["task_id"].clone();
                let watch = Follower::start(world, &["tasks", "watch", id.as_str().unwrap()], json);
                let reason =
                    json!({"request_id": request_id(), "task_id": id, "reason": text(MARKERS[0])});
                watch
                    .shown(async || drop(wire.call("CancelTask", &reason).await.unwrap()))
                    .await
            }
            "WatchState" => {
                let watch = Follower::start(world, &["state", "watch", "-n", NAMESPACE], json);
                let put = async || {
                    for marker in MARKERS {
                        let put = json!({
                            "request_id": request_id(), "namespace": NAMESPACE, "key": format!("{marker} {LIVE}"),
                            "value": {"a": text(marker)}, "writer": marker,
                        });
                        wire.call("PutState", &put).await.unwrap();
                    }
                };
                watch.shown(put).await
            }
            "WatchWorkers" => {
                let watch = Follower::start(world, &["workers", "watch"], json);
                let register = async || {
                    for marker in MARKERS {
                        let worker = json!({
                            "request_id": request_id(), "name": format!("{marker} {LIVE}"), "kind": "WORKER_KIND_CHAT",
                            "capacity": 1, "node": marker, "capabilities": ["rust"],
                        });
                        wire.call("RegisterWorker", &worker).await.unwrap();
                    }
                };
                watch.shown(register).await
            }
            // Archives are read to their end by `sessions export`.
            "Export" => Ok(String::new()),
            // No program shows what is published; what is wrong with a subscription is told with the other refusals.
            "Subscribe" => Ok(String::new()),
            other => Err(format!(
                "{other} streams answers and is not asked for here: add who shows them, or the reason"
            )),
        };
        match shown {
            Ok(shown) => faults.extend(faults_in(method.name(), &shown)),
            Err(fault) => faults.push(format!("{}: {fault}", method.name())),
        }
    }
    faults
}

fn text(marker: &str) -> Value {
    format!("x\n{marker} {LIVE}\u{2028}{marker} {LIVE}\u{202e}").into()
}

/// A command that goes on printing.
struct Follower(Child);

impl Follower {
    fn start(world: &World, words: &[&str], json: bool) -> Self {
        let mut command = Command::new(binary::shim());
        command
            .arg("--data-dir")
            .arg(world.temp.data_dir())
            .args(words)
            .args(json.then_some("--json"))
            .current_dir(world.temp.project())
            .env("HOME", world.temp.root())
            .env("SHIM_REDIS_URL", world.redis.url())
            .env("SHIM_REGISTRY_DEAD_AFTER", "1h")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        Self(command.spawn().unwrap())
    }

    /// All that it prints until a text is shown that arrived meanwhile. It may not follow yet when the first arrives, so
    /// that is said again.
    async fn shown(mut self, arrive: impl AsyncFn()) -> Result<String, String> {
        let mut lines = BufReader::new(self.0.stdout.take().unwrap()).split(b'\n');
        let mut shown = String::new();
        let follow = async {
            loop {
                arrive().await;
                while let Ok(read) =
                    tokio::time::timeout(Duration::from_secs(1), lines.next_segment()).await
                {
                    let Some(line) = read.unwrap() else { return };
                    shown.push_str(&String::from_utf8_lossy(&line));
                    shown.push('\n');
                    if shown.contains(LIVE) {
                        return;
                    }
                }
            }
        };
        let ended = tokio::time::timeout(PATIENCE, follow).await;
        if ended.is_err() || !shown.contains(LIVE) {
            return Err(format!("nothing that arrived was shown: {shown}"));
        }
        Ok(shown)
    }
}
