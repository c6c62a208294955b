//! Every RPC that takes one message.

use std::collections::BTreeSet;

use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::{Value, json};
use shim_runtime::fault::explain;
use shim_tests::calls::request_id;
use tonic::{Code, Status};

use super::NAMED;
use super::corpus::{Secret, secrets};
use super::fields::{self, Way};
use super::house::{House, readable};
use crate::bad_input::tasks::Work;
use crate::bad_input::wire::Wire;
use crate::bad_input::{coordination, valid};

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
            Ok(answer) => readable(answer),
            Err(status) => words(status),
        };
        let needles = self.secrets.iter().map(|secret| secret.needle.as_str());
        for needle in needles.chain([NAMED]) {
            assert!(!said.contains(needle), "{} answers {needle}", method.name());
        }
        answer.map(drop)
    }
}

/// All that a refusal says.
pub(super) fn words(status: &Status) -> String {
    format!("{}{}", status.message(), readable(status.details()))
}

#[tokio::test(flavor = "multi_thread")]
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

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_a_secret_is_refused_without_being_told() {
    let house = House::new(|_, launch| launch).await;
    let wire = Wire::to_coordination(&house.stack);
    for secret in secrets()
        .iter()
        .filter(|secret| secret.kind == "github-token")
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
