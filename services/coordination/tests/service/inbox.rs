//! Stories of inboxes: messages stay until they are acknowledged.

use futures::future::join_all;
use shim_proto::coordination::v1::send_message_request::Recipient;
use shim_proto::coordination::v1::*;
use shim_redis_harness::{Cluster, Launch, Redis, Reply};
use shim_runtime::service_error::decode;
use tonic::Code;

use super::test_service::{TestService, id, object, refusal, span};

fn message(session: &str, text: &str) -> SendMessageRequest {
    SendMessageRequest {
        request_id: id(),
        recipient: Some(Recipient::SessionId(session.into())),
        sender: "me".into(),
        text: text.into(),
        data: None,
    }
}

pub(crate) async fn send(service: &TestService, session: &str, text: &str) {
    let request = message(session, text);
    let sent = service.bus.clone().send_message(request).await.unwrap();
    assert_eq!(sent.into_inner().recipients, 1);
}

/// A read that does not wait, with a visibility timeout of half a minute.
pub(crate) fn receive_request(inbox: &str) -> ReceiveMessagesRequest {
    ReceiveMessagesRequest {
        inbox: inbox.into(),
        max_messages: 100,
        ..Default::default()
    }
}

pub(crate) async fn receive(
    service: &TestService,
    request: ReceiveMessagesRequest,
) -> ReceiveMessagesResponse {
    let answer = service.bus.clone().receive_messages(request).await;
    answer.unwrap().into_inner()
}

pub(crate) async fn acknowledge(service: &TestService, inbox: &str, ids: Vec<String>) -> u32 {
    let request = AckMessagesRequest {
        inbox: inbox.into(),
        message_ids: ids,
    };
    let answer = service.bus.clone().ack_messages(request).await;
    answer.unwrap().into_inner().acknowledged
}

pub(crate) fn texts(answer: &ReceiveMessagesResponse) -> Vec<&str> {
    let messages = answer.messages.iter();
    messages.map(|message| message.text.as_str()).collect()
}

pub(crate) fn ids(answer: &ReceiveMessagesResponse) -> Vec<String> {
    let messages = answer.messages.iter();
    messages.map(|message| message.message_id.clone()).collect()
}

#[tokio::test]
async fn a_message_stays_until_it_is_acknowledged() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let inbox = id();
    let request = SendMessageRequest {
        data: Some(object(&[("file", "a.rs")])),
        ..message(&inbox, "look at this")
    };
    service.bus.clone().send_message(request).await.unwrap();
    send(&service, &inbox, "and this").await;

    let one = ReceiveMessagesRequest {
        max_messages: 1,
        ..receive_request(&inbox)
    };
    let first = receive(&service, one).await;
    assert_eq!(first.remaining, 1);
    let [message] = &first.messages[..] else {
        panic!("one was asked for: {first:?}");
    };
    assert_eq!(
        (message.sender.as_str(), message.text.as_str()),
        ("me", "look at this")
    );
    assert_eq!(message.data, Some(object(&[("file", "a.rs")])));
    assert_eq!(message.deliveries, 1);
    assert!(message.sent_at.unwrap().seconds > 1_700_000_000);

    // The first message is delivered already, so the read gets only the second; both are still in the inbox.
    let second = receive(&service, receive_request(&inbox)).await;
    assert_eq!((texts(&second), second.remaining), (vec!["and this"], 1));
    assert_eq!(acknowledge(&service, &inbox, ids(&first)).await, 1);
    assert_eq!(
        acknowledge(&service, &inbox, ids(&first)).await,
        0,
        "harmless to repeat"
    );
    let last = ReceiveMessagesRequest {
        ack_ids: ids(&second),
        ..receive_request(&inbox)
    };
    let nothing = receive(&service, last).await;
    assert_eq!((nothing.messages.len(), nothing.remaining), (0, 0));
}

#[tokio::test]
async fn a_full_inbox_refuses_messages_until_one_is_acknowledged() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let inbox = id();
    let sends = (0..200).map(|n| {
        let (mut bus, request) = (service.bus.clone(), message(&inbox, &n.to_string()));
        async move { bus.send_message(request).await.unwrap() }
    });
    join_all(sends).await;
    let late = message(&inbox, "late");
    let refused = refusal(service.bus.clone().send_message(late.clone()).await);
    assert_eq!(refused, (Code::ResourceExhausted, "INBOX_FULL".into()));
    // A delivered message still counts until it is acknowledged.
    let got = receive(&service, receive_request(&inbox)).await;
    assert_eq!((got.messages.len(), got.remaining), (100, 100));
    let refused = service
        .bus
        .clone()
        .send_message(late.clone())
        .await
        .unwrap_err();
    assert!(decode(&refused).retry_after.is_some());
    acknowledge(&service, &inbox, ids(&got)).await;
    service.bus.clone().send_message(late).await.unwrap();
    assert_eq!(
        receive(&service, receive_request(&inbox)).await.remaining,
        1
    );
}

#[tokio::test]
async fn a_repeated_send_stores_one_message() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let inbox = id();
    let request = message(&inbox, "once");
    for _ in 0..3 {
        let sent = service.bus.clone().send_message(request.clone()).await;
        assert_eq!(sent.unwrap().into_inner().recipients, 1);
    }
    let got = receive(&service, receive_request(&inbox)).await;
    assert_eq!((texts(&got), got.remaining), (vec!["once"], 0));
    let reused = SendMessageRequest {
        text: "other".into(),
        ..request
    };
    let refused = refusal(service.bus.clone().send_message(reused).await);
    assert_eq!(refused, (Code::InvalidArgument, "REQUEST_ID_REUSED".into()));
}

#[tokio::test]
async fn a_response_stays_small_enough_for_its_reader() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let inbox = id();
    let (text, data) = ("t".repeat(16_384), "d".repeat(65_000));
    for n in 0..70 {
        let request = SendMessageRequest {
            data: Some(object(&[("d", &data)])),
            ..message(&inbox, &format!("{n:02}{}", &text[2..]))
        };
        service.bus.clone().send_message(request).await.unwrap();
    }
    let mut got = Vec::new();
    loop {
        let answer = receive(&service, receive_request(&inbox)).await;
        let left = 70 - got.len() - answer.messages.len();
        // The messages delivered before are still in the inbox.
        assert_eq!(answer.remaining, u64::try_from(left + got.len()).unwrap());
        if answer.messages.is_empty() {
            break;
        }
        got.extend(texts(&answer).into_iter().map(|text| text[..2].to_owned()));
    }
    let all: Vec<_> = (0..70).map(|n| format!("{n:02}")).collect();
    assert_eq!(got, all);
}

#[tokio::test]
async fn the_inboxes_of_a_full_redis_can_be_emptied() {
    let redis = Launch::new().max_memory("8mb").start();
    let service = TestService::start(&redis).await;
    let (inbox, large) = (id(), "x".repeat(16_000));
    let mut sent = 0;
    let refused = loop {
        match service
            .bus
            .clone()
            .send_message(SendMessageRequest {
                sender: sent.to_string(),
                ..message(&inbox, &large)
            })
            .await
        {
            Ok(_) => sent += 1,
            Err(refused) => break refused,
        }
        assert!(sent < 1_000, "it never filled up");
    };
    assert_eq!(decode(&refused).reason, "STORE_FULL");
    let mut got = 0;
    while got < sent {
        let answer = receive(&service, receive_request(&inbox)).await;
        assert!(!answer.messages.is_empty(), "{got} of {sent}");
        got += answer.messages.len();
        let count = u32::try_from(answer.messages.len()).unwrap();
        assert_eq!(acknowledge(&service, &inbox, ids(&answer)).await, count);
    }
    assert_eq!(got, sent);
    send(&service, &inbox, "there is room again").await;
}

#[tokio::test]
async fn an_inbox_is_an_ordinary_consumer_group_of_redis() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let inbox = id();
    send(&service, &inbox, "a").await;
    send(&service, &inbox, "b").await;
    let one = ReceiveMessagesRequest {
        max_messages: 1,
        ..receive_request(&inbox)
    };
    receive(&service, one).await;
    let key = format!("shim:{{inbox:{inbox}}}:messages");
    let pending = redis.command(&["XPENDING", &key, "reader"]).unwrap();
    assert_eq!(pending.items()[0], Reply::Integer(1));
    for key in [key, format!("shim:{{inbox:{inbox}}}:deadlines")] {
        let Ok(Reply::Integer(left)) = redis.command(&["PTTL", &key]) else {
            panic!("a key has a time to live");
        };
        let week = 7 * 24 * 3_600 * 1_000;
        assert!((week - 60_000..=week).contains(&left), "{key}: {left}");
    }
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let named = |status: tonic::Status| -> Vec<String> {
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        let violations = decode(&status).violations.into_iter();
        violations.map(|(field, _)| field).collect()
    };
    let request = SendMessageRequest {
        sender: "s".repeat(201),
        text: " ".into(),
        data: Some(object(&[("d", &"x".repeat(65_536))])),
        ..Default::default()
    };
    let refused = service.bus.send_message(request).await.unwrap_err();
    assert_eq!(
        named(refused),
        ["request_id", "session_id", "sender", "text", "data"]
    );
    let request = ReceiveMessagesRequest {
        inbox: "me".into(),
        max_messages: 101,
        wait: span(25_001),
        visibility: span(999),
        ack_ids: vec!["1-1".into(), "1".into()],
        peek: false,
    };
    let refused = service.bus.receive_messages(request).await.unwrap_err();
    assert_eq!(
        named(refused),
        ["inbox", "max_messages", "wait", "visibility", "ack_ids[1]"]
    );
    let request = AckMessagesRequest {
        inbox: id(),
        message_ids: Vec::new(),
    };
    let refused = service.bus.ack_messages(request).await.unwrap_err();
    assert_eq!(named(refused), ["message_ids"]);
}

#[tokio::test]
async fn inboxes_are_spread_over_a_cluster() {
    let cluster = Cluster::start();
    let service = TestService::start_with(&cluster.url(), &[]).await;
    for _ in 0..12 {
        let inbox = id();
        send(&service, &inbox, "a").await;
        let got = receive(&service, receive_request(&inbox)).await;
        assert_eq!(texts(&got), ["a"]);
        assert_eq!(acknowledge(&service, &inbox, ids(&got)).await, 1);
    }
}

#[tokio::test]
async fn a_peek_shows_messages_and_changes_nothing() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let session = id();
    for text in ["one", "two"] {
        send(&service, &session, text).await;
    }
    let peek = ReceiveMessagesRequest {
        peek: true,
        ..receive_request(&session)
    };
    for _ in 0..3 {
        let seen = receive(&service, peek.clone()).await;
        assert_eq!(texts(&seen), ["one", "two"]);
        assert!(seen.messages.iter().all(|message| message.deliveries == 0));
    }
    let one = ReceiveMessagesRequest {
        max_messages: 1,
        ..receive_request(&session)
    };
    let given = receive(&service, one).await;
    assert_eq!(
        (texts(&given), given.messages[0].deliveries),
        (vec!["one"], 1)
    );
    let seen = receive(&service, peek.clone()).await;
    assert_eq!(texts(&seen), ["one", "two"], "what is out is shown, too");
    let acknowledging = ReceiveMessagesRequest {
        ack_ids: ids(&given),
        ..peek
    };
    let refused = service.bus.clone().receive_messages(acknowledging).await;
    assert_eq!(refused.unwrap_err().code(), tonic::Code::InvalidArgument);
    assert_eq!(
        receive(&service, receive_request(&session)).await.remaining,
        1
    );
}
