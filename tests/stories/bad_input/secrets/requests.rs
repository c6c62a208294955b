//! Every RPC that takes one message.

use std::collections::BTreeSet;

use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::{Value, json};
use shim_runtime::service_error::decode;
use shim_tests::calls::request_id;
use tonic::{Code, Status};

use super::NAMED;
use super::corpus::{Secret, secrets};
use super::fields::{self, FieldPath};
use super::test_stack::{TestStack, readable};
use crate::bad_input::tasks::WorkFixture;
use crate::bad_input::wire::Wire;
use crate::bad_input::{coordination, valid};

/// What is kept longest: a request with a secret in this text must be taken, or the search finds nothing for the wrong
/// reason.
const TAKEN: [&str; 27] = [
    "ReportEvents events.prompt_submitted.text",
    "GetGuidance event.prompt_submitted.text",
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
struct SecretSender<'a> {
    wire: &'a Wire,
    secrets: Vec<Secret>,
    next: usize,
    taken: BTreeSet<String>,
}

impl SecretSender<'_> {
    fn secret(&mut self) -> Secret {
        self.next += 1;
        self.secrets[self.next % self.secrets.len()].clone()
    }

    /// Tries one field after the other, and returns those that take a text of any kind.
    async fn probe(&mut self, method: &MethodDescriptor, valid: &Value) -> Vec<FieldPath> {
        let mut texts = Vec::new();
        for field_path in fields::field_paths(&method.input()) {
            let answer = self
                .send_secrets(method, valid, std::slice::from_ref(&field_path))
                .await;
            let refused = answer.err().map(|status| decode(&status));
            match refused {
                Some(refused) if refused.code == Code::InvalidArgument => {}
                // What it names may be gone by now; its fields were right.
                _ => texts.push(field_path),
            }
        }
        texts
    }

    /// Puts a secret into each of the fields of one request.
    async fn send_secrets(
        &mut self,
        method: &MethodDescriptor,
        valid: &Value,
        field_paths: &[FieldPath],
    ) -> Result<(), Status> {
        let mut valid = valid.clone();
        if valid.get("request_id").is_some() {
            valid["request_id"] = json!(request_id());
        }
        let mut request = DynamicMessage::deserialize(method.input(), &valid).unwrap();
        for field_path in field_paths {
            fields::put(&mut request, field_path, &self.secret().text, NAMED);
        }
        self.send(method, &request).await?;
        self.taken.extend(
            field_paths
                .iter()
                .map(|field_path| format!("{} {}", method.name(), fields::name(field_path))),
        );
        Ok(())
    }

    async fn send(
        &self,
        method: &MethodDescriptor,
        request: &DynamicMessage,
    ) -> Result<(), Status> {
        let answer = self.wire.send(method, request.encode_to_vec().into()).await;
        let answered = match &answer {
            Ok(answer) => readable(answer),
            Err(status) => status_text(status),
        };
        let needles = self.secrets.iter().map(|secret| secret.needle.as_str());
        for needle in needles.chain([NAMED]) {
            assert!(
                !answered.contains(needle),
                "{} answers {needle}",
                method.name()
            );
        }
        answer.map(drop)
    }
}

/// All that a refusal says.
pub(super) fn status_text(status: &Status) -> String {
    format!("{}{}", status.message(), readable(status.details()))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_in_any_field_of_any_rpc_is_kept() {
    let mut stack = TestStack::new(|_, launch| launch).await;
    let [checkpoint, coordination, worker] = [
        Wire::to(&stack.service),
        Wire::to_coordination(&stack.service),
        Wire::to_worker(&stack.service),
    ];
    let fixture = coordination::Fixture::make(&coordination).await;
    let mut taken = BTreeSet::new();
    for (index, wire) in [&checkpoint, &coordination, &worker]
        .into_iter()
        .enumerate()
    {
        let mut sender = SecretSender {
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
                    0 => valid::Fixture::make(wire).await.request(method.name()),
                    1 => fixture.request(method.name()),
                    _ => WorkFixture::make(&coordination, wire)
                        .await
                        .request(method.name()),
                };
                if round == 0 {
                    texts = sender.probe(&method, &valid).await;
                } else {
                    let _ = sender.send_secrets(&method, &valid, &texts).await;
                }
            }
        }
        taken.append(&mut sender.taken);
    }
    let missing: Vec<_> = TAKEN
        .iter()
        .filter(|name| !taken.contains(**name))
        .collect();
    assert!(missing.is_empty(), "refused: {missing:?}, taken: {taken:?}");
    stack.assert_clean(&secrets()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_a_secret_is_refused_without_being_told() {
    let stack = TestStack::new(|_, launch| launch).await;
    let wire = Wire::to_coordination(&stack.service);
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
