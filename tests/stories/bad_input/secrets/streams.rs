//! Every RPC that takes a stream: a secret in any text of any message of it.

use std::cmp::Reverse;

use bytes::Bytes;
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, MethodDescriptor, Value as Field,
};
use serde_json::json;
use shim_proto::checkpoint::v1::ImportRequest;
use shim_runtime::service_error::decode;
use shim_tests::calls::request_id;
use tonic::{Code, Status};

use super::NAMED;
use super::corpus::{Secret, secrets};
use super::fields::{self, FieldPath};
use super::requests::status_text;
use super::test_stack::{TestStack, readable};
use crate::bad_input::valid;
use crate::bad_input::wire::Wire;

/// An archive of a session with something in every field, made by a service of its own.
pub(crate) async fn archive() -> Vec<ImportRequest> {
    let elsewhere = TestStack::new(|_, launch| launch).await;
    let wire = Wire::to(&elsewhere.service);
    let fixture = valid::Fixture::make(&wire).await;
    for method in ["RecordSignals", "SaveCheckpoint"] {
        wire.call(method, &fixture.request(method)).await.unwrap();
    }
    let records = elsewhere.archive().await.into_iter();
    let request = |record| ImportRequest {
        record: Some(record),
    };
    records.map(request).collect()
}

/// What a client says with nothing wrong in it, on a session of its own.
pub(crate) async fn valid_messages(
    method: &MethodDescriptor,
    wire: &Wire,
    archive: &[ImportRequest],
) -> Vec<DynamicMessage> {
    let shape = method.input();
    match method.name() {
        "AttachSession" => {
            let open = json!({"request_id": request_id(), "project": "/ground"});
            let opened = wire.call("OpenSession", &open).await.unwrap();
            let id = &opened["session"]["id"];
            let client = json!({"name": "client", "version": "1", "hostname": "host"});
            let outgoing = [
                json!({"attach": {"session_id": id, "epoch": 1, "client": client}}),
                json!({"heartbeat": {"memory": {"pressure": 0.5}}}),
                json!({"detach": {"reason": "done"}}),
            ];
            let message = |outgoing| DynamicMessage::deserialize(shape.clone(), outgoing).unwrap();
            outgoing.iter().map(message).collect()
        }
        "Import" => {
            let bytes = archive.iter().map(Message::encode_to_vec);
            let message = |bytes: Vec<u8>| DynamicMessage::decode(shape.clone(), bytes.as_slice());
            bytes.map(|bytes| message(bytes).unwrap()).collect()
        }
        other => panic!("{other} takes a stream that nobody says here: add one"),
    }
}

/// How many of the fields on the way are there.
pub(crate) fn depth(message: &DynamicMessage, field_path: &[FieldDescriptor]) -> usize {
    let Some((field, rest)) = field_path.split_first() else {
        return 0;
    };
    if !message.has_field(field) {
        return 0;
    }
    match message.get_field(field).as_ref() {
        Field::Message(inner) => 1 + depth(inner, rest),
        Field::List(items) => match items.first() {
            Some(Field::Message(first)) => 1 + depth(first, rest),
            _ => 1,
        },
        _ => 1,
    }
}

/// The words up to the one that a field is of, with a secret in that.
fn with_secret(messages: &[DynamicMessage], field_path: &FieldPath, secret: &Secret) -> Vec<Bytes> {
    let fits = |index: &usize| Reverse(depth(&messages[*index], field_path));
    let at = (0..messages.len()).min_by_key(fits).unwrap();
    let mut outgoing = messages[..=at].to_vec();
    fields::put(&mut outgoing[at], field_path, &secret.text, NAMED);
    encoded(&outgoing)
}

fn encoded(outgoing: &[DynamicMessage]) -> Vec<Bytes> {
    outgoing
        .iter()
        .map(|it| it.encode_to_vec().into())
        .collect()
}

/// Says it all, and hears no secret in return.
async fn exchange(
    wire: &Wire,
    method: &MethodDescriptor,
    outgoing: Vec<Bytes>,
) -> Result<(), Status> {
    let (received, ended) = wire.exchange(method, outgoing).await;
    let mut answers: Vec<_> = received.iter().map(|answer| readable(answer)).collect();
    answers.extend(ended.as_ref().err().map(status_text));
    for secret in secrets() {
        for answer in &answers {
            let is_leaked = answer.contains(&secret.needle) || answer.contains(NAMED);
            assert!(!is_leaked, "{} answers {answer}", method.name());
        }
    }
    ended
}

/// All there are in the contract, each with the way to its service.
fn streams(stack: &TestStack) -> Vec<(Wire, MethodDescriptor)> {
    let found: Vec<_> = [Wire::to, Wire::to_coordination, Wire::to_worker]
        .into_iter()
        .flat_map(|wire| {
            let streams = wire(&stack.service).streams().into_iter();
            streams.map(move |method| (wire(&stack.service), method))
        })
        .collect();
    let pool = DescriptorPool::decode(shim_proto::FILE_DESCRIPTOR_SET).unwrap();
    let services = pool.services();
    let shim_services = services.filter(|service| service.package_name().starts_with("shim."));
    let all = shim_services.flat_map(|service| service.methods().collect::<Vec<_>>());
    let all = all.filter(MethodDescriptor::is_client_streaming).count();
    assert_eq!(found.len(), all, "a package is not looked into");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_in_any_message_of_a_stream_is_kept() {
    let mut stack = TestStack::new(|_, launch| launch).await;
    let archive = archive().await;
    let mut taken = Vec::new();
    for (wire, method) in streams(&stack) {
        for field_path in fields::field_paths(&method.input()) {
            for secret in secrets() {
                let messages = valid_messages(&method, &wire, &archive).await;
                let outgoing = with_secret(&messages, &field_path, &secret);
                match exchange(&wire, &method, outgoing).await {
                    Ok(()) => {
                        taken.push(format!("{} {}", method.name(), fields::name(&field_path)));
                    }
                    Err(status) => assert_eq!(status.code(), Code::InvalidArgument, "{status}"),
                }
            }
        }
    }
    for expected in [
        "AttachSession attach.client.hostname",
        "AttachSession detach.reason",
    ] {
        assert!(taken.iter().any(|name| name == expected), "{taken:?}");
    }
    let imported = taken.iter().find(|name| name.starts_with("Import "));
    assert_eq!(imported, None, "an archive with a secret was taken");
    stack.assert_clean(&secrets()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_with_a_secret_is_refused_whole_and_says_what_to_do() {
    let stack = TestStack::new(|_, launch| launch).await;
    let archive = archive().await;
    let wire = Wire::to(&stack.service);
    let streams = wire.streams().into_iter();
    let import = streams
        .into_iter()
        .find(|it| it.name() == "Import")
        .unwrap();
    let messages = valid_messages(&import, &wire, &archive).await;
    let before = stack.archive().await.len();
    let secret = secrets().swap_remove(0);
    for field_path in fields::field_paths(&import.input()) {
        let outgoing = with_secret(&messages, &field_path, &secret);
        let refused = exchange(&wire, &import, outgoing).await.unwrap_err();
        let refused = decode(&refused);
        let name = fields::name(&field_path);
        let (field, rule) = &refused.violations[0];
        assert!(field.replace("[0]", "").starts_with(&name), "{refused:?}");
        assert!(rule.contains("looks like a secret"), "{name}: {rule}");
        assert!(rule.contains("export the other sessions"), "{name}: {rule}");
    }
    assert_eq!(stack.archive().await.len(), before, "something was written");
    exchange(&wire, &import, encoded(&messages)).await.unwrap();
    assert_eq!(
        stack.archive().await.len(),
        // Header and trailer are there once.
        before + archive.len() - 2,
        "without the secret it is taken in"
    );
}
