//! Every RPC that takes a stream: a secret in any text of any message of it.

use std::cmp::Reverse;

use bytes::Bytes;
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, MethodDescriptor, Value as Field,
};
use serde_json::json;
use shim_proto::checkpoint::v1::ImportRequest;
use shim_runtime::fault::explain;
use shim_tests::calls::request_id;
use tonic::{Code, Status};

use super::NAMED;
use super::corpus::{Secret, secrets};
use super::fields::{self, Way};
use super::house::{House, readable};
use super::requests::words;
use crate::bad_input::valid;
use crate::bad_input::wire::Wire;

/// An archive of a session with something in every field, made by a service of its own.
async fn archive() -> Vec<ImportRequest> {
    let elsewhere = House::new(|_, launch| launch).await;
    let wire = Wire::to(&elsewhere.stack);
    let subject = valid::Subject::make(&wire).await;
    for method in ["RecordSignals", "SaveCheckpoint"] {
        wire.call(method, &subject.request(method)).await.unwrap();
    }
    let records = elsewhere.archive().await.into_iter();
    let request = |record| ImportRequest {
        record: Some(record),
    };
    records.map(request).collect()
}

/// What a client says with nothing wrong in it, on a session of its own.
async fn words_of(
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
            let said = [
                json!({"attach": {"session_id": id, "epoch": 1, "client": client}}),
                json!({"heartbeat": {"memory": {"pressure": 0.5}}}),
                json!({"detach": {"reason": "done"}}),
            ];
            let message = |said| DynamicMessage::deserialize(shape.clone(), said).unwrap();
            said.iter().map(message).collect()
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
fn depth(message: &DynamicMessage, way: &[FieldDescriptor]) -> usize {
    let Some((field, rest)) = way.split_first() else {
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
fn leaking(words: &[DynamicMessage], way: &Way, secret: &Secret) -> Vec<Bytes> {
    let fits = |index: &usize| Reverse(depth(&words[*index], way));
    let at = (0..words.len()).min_by_key(fits).unwrap();
    let mut said = words[..=at].to_vec();
    fields::put(&mut said[at], way, &secret.text, NAMED);
    encoded(&said)
}

fn encoded(said: &[DynamicMessage]) -> Vec<Bytes> {
    said.iter().map(|it| it.encode_to_vec().into()).collect()
}

/// Says it all, and hears no secret in return.
async fn exchange(wire: &Wire, method: &MethodDescriptor, said: Vec<Bytes>) -> Result<(), Status> {
    let (heard, ended) = wire.exchange(method, said).await;
    let mut answers: Vec<_> = heard.iter().map(|answer| readable(answer)).collect();
    answers.extend(ended.as_ref().err().map(words));
    for secret in secrets() {
        for answer in &answers {
            let is_told = answer.contains(&secret.needle) || answer.contains(NAMED);
            assert!(!is_told, "{} answers {answer}", method.name());
        }
    }
    ended
}

/// All there are in the contract, each with the way to its service.
fn streams(house: &House) -> Vec<(Wire, MethodDescriptor)> {
    let found: Vec<_> = [Wire::to, Wire::to_coordination, Wire::to_worker]
        .into_iter()
        .flat_map(|wire| {
            let streams = wire(&house.stack).streams().into_iter();
            streams.map(move |method| (wire(&house.stack), method))
        })
        .collect();
    let pool = DescriptorPool::decode(shim_proto::FILE_DESCRIPTOR_SET).unwrap();
    let services = pool.services();
    let ours = services.filter(|service| service.package_name().starts_with("shim."));
    let all = ours.flat_map(|service| service.methods().collect::<Vec<_>>());
    let all = all.filter(MethodDescriptor::is_client_streaming).count();
    assert_eq!(found.len(), all, "a package is not looked into");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_in_any_message_of_a_stream_is_kept() {
    let mut house = House::new(|_, launch| launch).await;
    let archive = archive().await;
    let mut taken = Vec::new();
    for (wire, method) in streams(&house) {
        for way in fields::ways(&method.input()) {
            for secret in secrets() {
                let words = words_of(&method, &wire, &archive).await;
                let said = leaking(&words, &way, &secret);
                match exchange(&wire, &method, said).await {
                    Ok(()) => taken.push(format!("{} {}", method.name(), fields::name(&way))),
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
    house.assert_clean(&secrets()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_with_a_secret_is_refused_whole_and_says_what_to_do() {
    let house = House::new(|_, launch| launch).await;
    let archive = archive().await;
    let wire = Wire::to(&house.stack);
    let streams = wire.streams().into_iter();
    let import = streams
        .into_iter()
        .find(|it| it.name() == "Import")
        .unwrap();
    let words = words_of(&import, &wire, &archive).await;
    let before = house.archive().await.len();
    let secret = secrets().swap_remove(0);
    for way in fields::ways(&import.input()) {
        let said = leaking(&words, &way, &secret);
        let refused = exchange(&wire, &import, said).await.unwrap_err();
        let refused = explain(&refused);
        let name = fields::name(&way);
        let (field, rule) = &refused.violations[0];
        assert!(field.replace("[0]", "").starts_with(&name), "{refused:?}");
        assert!(rule.contains("looks like a secret"), "{name}: {rule}");
        assert!(rule.contains("export the other sessions"), "{name}: {rule}");
    }
    assert_eq!(house.archive().await.len(), before, "something was written");
    exchange(&wire, &import, encoded(&words)).await.unwrap();
    assert_eq!(
        house.archive().await.len(),
        before + archive.len() - 1,
        "without the secret it is taken in"
    );
}
