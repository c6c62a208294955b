//! Secrets sent in every field of every RPC, through the tools and by a program: none is found on any disk, in Redis, in
//! an archive, in the log or in an answer.

mod corpus;
mod fields;

use std::collections::BTreeSet;
use std::path::Path;

use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::{Value, json};
use shim_proto::checkpoint::v1::ExportRequest;
use shim_redis_harness::{Port, Redis};
use shim_runtime::fault::explain;
use shim_tests::calls::request_id;
use shim_tests::mcp::{GatewayLaunch, facts};
use shim_tests::place::Place;
use shim_tests::scrape::scrape;
use shim_tests::service::{Launch, Service};
use tonic::{Code, Status};

use super::tasks::Work;
use super::wire::Wire;
use super::{coordination, valid};
use corpus::{Secret, secrets};
use fields::Way;

/// Under a name such as `password` this is a secret; nothing else about it is.
const NAMED: &str = "correct horse battery staple";
/// What is kept longest: a request with a secret in this text must be taken, or the search finds nothing for the wrong
/// reason.
const TAKEN: [&str; 25] = [
    "OpenSession title",
    "OpenSession client.hostname",
    "SaveCheckpoint state.current_task",
    "SaveCheckpoint state.decisions",
    "SaveCheckpoint state.active_files.path",
    "SaveCheckpoint state.summary",
    "SaveCheckpoint state.git.branch",
    "SaveCheckpoint state.custom",
    "ForkSession title",
    "RecordResume notes",
    "PutState value",
    "PatchState set",
    "AcquireLock purpose",
    "AcquireFiles purpose",
    "Publish payload",
    "SendMessage text",
    "SendMessage data",
    "RegisterWorker node",
    "SubmitTask goal",
    "SubmitTask payload",
    "SubmitTask subtasks.goal",
    "ReportProgress note",
    "CompleteTask result.text",
    "CompleteTask result.data",
    "FailTask error.message",
];

/// A stack, and where everything it writes ends up.
struct House {
    place: Place,
    redis: Redis,
    port: Port,
    stack: Service,
}

impl House {
    async fn new(configure: impl FnOnce(&Place, Launch) -> Launch) -> Self {
        let (place, redis, port) = (Place::new(), Redis::start(), Port::reserve());
        let launch = Work::stack(&place, &redis.url())
            .env("SHIM_LOG_FILTER", "trace")
            .env(
                "SHIM_METRICS_LISTEN",
                &format!("127.0.0.1:{}", port.number()),
            );
        let stack = configure(&place, launch).started().await;
        Self {
            place,
            redis,
            port,
            stack,
        }
    }

    /// Looks for the secrets in each byte that was written. Redis appends all it was ever told to a file.
    async fn assert_clean(&mut self, secrets: &[Secret]) {
        let mut client = self.stack.client();
        let mut records = client
            .export(ExportRequest::default())
            .await
            .unwrap()
            .into_inner();
        let mut archive = String::new();
        while let Some(record) = records.message().await.unwrap() {
            archive.push_str(&format!("{record:?}"));
        }
        assert!(archive.contains("[redacted:"), "nothing redacted was saved");
        let counted = self.metrics().await;
        self.stack.stop();

        let mut seen = vec![("the archive".to_owned(), archive.into_bytes())];
        read_all(&self.place.data_dir(), &mut seen);
        read_all(self.redis.folder(), &mut seen);
        seen.push(("the log".to_owned(), self.stack.log().into_bytes()));
        assert!(seen.len() > 4, "{seen:?}");
        let needles = secrets.iter().map(|secret| secret.needle.as_str());
        for needle in needles.chain([NAMED]) {
            for (place, bytes) in &seen {
                assert!(!holds(bytes, needle), "{needle} is in {place}");
            }
        }
        for rule in secrets.iter().map(|secret| secret.rule) {
            let counter = format!("shim_redactions_total{{rule=\"{rule}\"}}");
            assert!(
                counted.contains(&counter),
                "{rule} was not counted: {counted}"
            );
        }
    }

    async fn metrics(&self) -> String {
        let address = format!("127.0.0.1:{}", self.port.number());
        scrape(&address).await.unwrap()
    }
}

fn read_all(folder: &Path, seen: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            read_all(&entry.path(), seen);
        } else if kind.is_file() {
            seen.push((
                entry.path().display().to_string(),
                std::fs::read(entry.path()).unwrap(),
            ));
        }
    }
}

fn holds(bytes: &[u8], needle: &str) -> bool {
    bytes
        .windows(needle.len())
        .any(|window| window == needle.as_bytes())
}

/// Sends secrets in requests of one package, which `valid` makes as they are right.
struct Leaker<'a> {
    wire: &'a Wire,
    secrets: Vec<Secret>,
    next: usize,
    taken: BTreeSet<String>,
}

impl Leaker<'_> {
    fn secret(&mut self) -> Secret {
        self.next += 1;
        self.secrets[self.next % self.secrets.len()].clone()
    }

    /// Tries one field after the other, and returns those that take a text of any kind.
    async fn probe(&mut self, method: &MethodDescriptor, valid: &Value) -> Vec<Way> {
        let mut texts = Vec::new();
        for way in fields::ways(&method.input()) {
            let answer = self.flood(method, valid, std::slice::from_ref(&way)).await;
            let refused = answer.err().map(|status| explain(&status));
            match refused {
                Some(refused) if refused.code == Code::InvalidArgument => {}
                // What it names may be gone by now; its fields were right.
                _ => texts.push(way),
            }
        }
        texts
    }

    /// Puts a secret into each of the fields of one request.
    async fn flood(
        &mut self,
        method: &MethodDescriptor,
        valid: &Value,
        ways: &[Way],
    ) -> Result<(), Status> {
        let mut valid = valid.clone();
        if valid.get("request_id").is_some() {
            valid["request_id"] = json!(request_id());
        }
        let mut request = DynamicMessage::deserialize(method.input(), &valid).unwrap();
        for way in ways {
            fields::put(&mut request, way, &self.secret().text, NAMED);
        }
        self.send(method, &request).await?;
        self.taken.extend(
            ways.iter()
                .map(|way| format!("{} {}", method.name(), fields::name(way))),
        );
        Ok(())
    }

    async fn send(
        &self,
        method: &MethodDescriptor,
        request: &DynamicMessage,
    ) -> Result<(), Status> {
        let answer = self.wire.send(method, request.encode_to_vec().into()).await;
        let said = match &answer {
            Ok(answer) => answer.to_vec(),
            Err(status) => [status.message().as_bytes(), status.details()].concat(),
        };
        let needles = self.secrets.iter().map(|secret| secret.needle.as_str());
        for needle in needles.chain([NAMED]) {
            assert!(!holds(&said, needle), "{} answers {needle}", method.name());
        }
        answer.map(drop)
    }
}

#[tokio::test]
async fn no_secret_in_any_field_of_any_rpc_is_kept() {
    let mut house = House::new(|_, launch| launch).await;
    let [checkpoint, coordination, worker] = [
        Wire::to(&house.stack),
        Wire::to_coordination(&house.stack),
        Wire::to_worker(&house.stack),
    ];
    let subject = coordination::Subject::make(&coordination).await;
    let mut taken = BTreeSet::new();
    for (index, wire) in [&checkpoint, &coordination, &worker]
        .into_iter()
        .enumerate()
    {
        let mut leaker = Leaker {
            wire,
            secrets: secrets(),
            next: 0,
            taken: BTreeSet::new(),
        };
        for method in wire.methods() {
            // What a first round used up is made anew for the second.
            let mut texts = Vec::new();
            for round in 0..2 {
                let valid = match index {
                    0 => valid::Subject::make(wire).await.request(method.name()),
                    1 => subject.request(method.name()),
                    _ => Work::make(&coordination, wire).await.request(method.name()),
                };
                if round == 0 {
                    texts = leaker.probe(&method, &valid).await;
                } else {
                    let _ = leaker.flood(&method, &valid, &texts).await;
                }
            }
        }
        taken.append(&mut leaker.taken);
    }
    let missing: Vec<_> = TAKEN
        .iter()
        .filter(|name| !taken.contains(**name))
        .collect();
    assert!(missing.is_empty(), "refused: {missing:?}, taken: {taken:?}");
    house.assert_clean(&secrets()).await;
}

#[tokio::test]
async fn a_name_that_is_a_secret_is_refused_without_being_told() {
    let house = House::new(|_, launch| launch).await;
    let wire = Wire::to_coordination(&house.stack);
    for secret in secrets()
        .iter()
        .filter(|secret| secret.rule == "github-token")
    {
        let put = json!({"request_id": request_id(), "namespace": "n", "key": secret.needle, "value": {}});
        let refused = wire.call("PutState", &put).await.unwrap_err();
        assert_eq!(refused.code, Code::InvalidArgument);
        let [(field, rule)] = refused.violations.as_slice() else {
            panic!("{refused:?}");
        };
        assert_eq!(field, "key");
        assert!(rule.contains("looks like a secret"), "{rule}");
        assert!(
            !format!("{refused:?}").contains(&secret.needle),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn no_secret_told_to_a_tool_or_printed_by_a_program_is_kept() {
    let all: Vec<_> = secrets().into_iter().map(|secret| secret.text).collect();
    let text = all.join("\n");
    let printed = text.clone();
    let mut house = House::new(|place, launch| {
        let project = place.project();
        std::fs::write(project.join("output"), printed).unwrap();
        let file = place.root().join("shim.toml");
        let settings = format!(
            "[worker]
             start = ['teller']
             [worker.executors.teller]
             kind = 'command'
             program = '/bin/cat'
             args = ['output']
             working_dir = '{}'",
            project.display()
        );
        std::fs::write(&file, settings).unwrap();
        launch.env("SHIM_CONFIG", &file.display().to_string())
    })
    .await;
    let launch = GatewayLaunch::new(&house.place.data_dir(), &house.place.project());
    let mut gateway = launch.open().await;
    let saved = json!({
        "current_task": text, "progress": 0.5, "decisions": all, "next_steps": all, "completed_steps": all,
        "blockers": all, "summary": text, "active_files": [format!("notes/{}", all[0])],
    });
    let saved = gateway.call("shim_auto_checkpoint", saved).await;
    assert!(saved["isError"] != json!(true), "{saved}");
    gateway
        .call(
            "shim_session_status",
            json!({"view": "search", "query": all[3]}),
        )
        .await;
    gateway
        .call("shim_check_recovery", json!({"project": all[4]}))
        .await;
    gateway
        .call("shim_monitor_signals", json!({"session_id": all[5]}))
        .await;
    gateway
        .call(
            "shim_worker_task",
            json!({"action": "register", "name": all[6], "capabilities": [all[7]]}),
        )
        .await;

    let job = json!({"action": "submit", "goal": text, "executor": "command", "payload": {"password": NAMED, "note": text}});
    let job = facts(gateway.call("shim_coordinate_task", job).await);
    let job = &job["task"]["task_id"];
    let mut results = Value::Null;
    for _ in 0..10 {
        let wait = json!({"action": "wait", "task_id": job});
        gateway.call("shim_coordinate_task", wait).await;
        results = facts(
            gateway
                .call(
                    "shim_coordinate_task",
                    json!({"action": "results", "task_id": job}),
                )
                .await,
        );
        if results["complete"] == json!(true) {
            break;
        }
    }
    let result = results["result"]["text"].as_str().unwrap_or_default();
    assert!(result.contains("[redacted:github-token]"), "{results}");
    gateway.close().await;
    house.assert_clean(&secrets()).await;
}
