//! Stories of the bus: events for the present subscribers of a channel.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use shim_proto::coordination::v1::subscribe_response::Event;
use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use shim_runtime::service_error::decode;
use tonic::{Code, Streaming};

use super::test_service::{TestService, id, object, refusal, within};

pub(crate) type EventStream = Streaming<SubscribeResponse>;

/// A subscription that is confirmed by its first event.
pub(crate) async fn subscribe_to(
    service: &TestService,
    channels: &[&str],
    patterns: &[&str],
) -> EventStream {
    let request = SubscribeRequest {
        channels: channels.iter().map(ToString::to_string).collect(),
        patterns: patterns.iter().map(ToString::to_string).collect(),
    };
    let mut subscription = service
        .bus
        .clone()
        .subscribe(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        next(&mut subscription).await,
        Event::Subscribed(Subscribed {})
    );
    subscription
}

pub(crate) async fn next(subscription: &mut EventStream) -> Event {
    let response = within(subscription.message()).await.unwrap();
    response.expect("the stream goes on").event.unwrap()
}

/// The channel and the text of the next publication.
pub(crate) async fn next_publication(subscription: &mut EventStream) -> (String, String) {
    match next(subscription).await {
        Event::News(event) => (event.channel, text(&event.payload.unwrap())),
        other => panic!("{other:?} is no news"),
    }
}

pub(crate) fn text(payload: &Struct) -> String {
    match payload.fields["text"].kind.as_ref().unwrap() {
        Kind::StringValue(text) => text.clone(),
        other => panic!("{other:?} is no text"),
    }
}

pub(crate) fn publication(channel: &str, text: &str) -> PublishRequest {
    PublishRequest {
        request_id: id(),
        channel: channel.into(),
        payload: Some(object(&[("text", text)])),
        publisher: "me".into(),
    }
}

pub(crate) async fn publish(service: &TestService, channel: &str, text: &str) {
    let request = publication(channel, text);
    service.bus.clone().publish(request).await.unwrap();
}

#[tokio::test]
async fn every_subscriber_receives_an_event_once_by_channel_or_pattern() {
    let redis = Redis::start();
    let (here, there) = (
        TestService::start(&redis).await,
        TestService::start(&redis).await,
    );
    let mut all = Vec::new();
    for service in [&here, &there] {
        for _ in 0..5 {
            all.push(subscribe_to(service, &["build/done"], &[]).await);
            all.push(subscribe_to(service, &[], &["build/*"]).await);
            all.push(
                subscribe_to(
                    service,
                    &["build/done", "build/done", "other"],
                    &["*", "build/d?ne", "*"],
                )
                .await,
            );
        }
    }
    publish(&here, "build/done", "first").await;
    publish(&there, "build/done", "second").await;
    for subscription in &mut all {
        assert_eq!(
            next_publication(subscription).await,
            ("build/done".into(), "first".into())
        );
        assert_eq!(
            next_publication(subscription).await,
            ("build/done".into(), "second".into())
        );
    }
}

#[tokio::test]
async fn a_pattern_selects_the_channels_that_match() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let mut subscription = subscribe_to(&service, &[], &["a?c", "team/*/done"]).await;
    for channel in [
        "ac",
        "abc",
        "abbc",
        "team/done",
        "team//done",
        "team/a/b/done",
    ] {
        publish(&service, channel, channel).await;
    }
    for channel in ["abc", "team//done", "team/a/b/done"] {
        assert_eq!(next_publication(&mut subscription).await.0, channel);
    }
}

#[tokio::test]
async fn the_channels_of_the_services_are_reserved() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    for prefix in ["state", "lock", "files", "worker", "message", "task"] {
        let request = publication(&format!("{prefix}:updated"), "a lie");
        let refused = service.bus.publish(request).await.unwrap_err();
        let said = decode(&refused);
        assert_eq!(said.reason, "BAD_REQUEST");
        assert!(
            said.message.contains(&format!("{prefix}:, which only")),
            "{refused}"
        );
        publish(&service, &format!("my-{prefix}:updated"), "fine").await;
    }
}

#[tokio::test]
async fn a_change_of_state_is_published() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let mut subscription = subscribe_to(&service, &["state:updated"], &[]).await;
    let put = PutStateRequest {
        request_id: id(),
        namespace: "team".into(),
        key: "goal".into(),
        value: Some(object(&[("a", "1")])),
        writer: "me".into(),
        ..Default::default()
    };
    let version = service
        .state
        .put_state(put)
        .await
        .unwrap()
        .into_inner()
        .version;
    let Event::News(event) = next(&mut subscription).await else {
        panic!("news are told");
    };
    assert_eq!(event.publisher, "me");
    let payload = event.payload.unwrap();
    let mut expected = object(&[("namespace", "team"), ("key", "goal"), ("change", "put")]);
    expected
        .fields
        .insert("version".into(), number(version as f64));
    assert_eq!(payload, expected);
}

fn number(number: f64) -> Value {
    Value {
        kind: Some(Kind::NumberValue(number)),
    }
}

#[tokio::test]
async fn free_form_data_arrives_as_it_was_sent() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let mut subscription = subscribe_to(&service, &["data"], &[]).await;
    let list = ListValue {
        values: [0.1, -3.0, 1e300, 9_007_199_254_740_991.0, 5e-324]
            .map(number)
            .into(),
    };
    let mut payload = object(&[
        ("", "empty name"),
        ("quote\"\n", "zero \u{1} and \u{1F980}"),
    ]);
    let list = Kind::ListValue(list);
    for (name, kind) in [
        ("list", list),
        ("null", Kind::NullValue(0)),
        ("yes", Kind::BoolValue(true)),
    ] {
        payload
            .fields
            .insert(name.into(), Value { kind: Some(kind) });
    }
    let inner = Kind::StructValue(payload.clone());
    payload
        .fields
        .insert("inner".into(), Value { kind: Some(inner) });
    let request = PublishRequest {
        payload: Some(payload.clone()),
        ..publication("data", "")
    };
    service.bus.publish(request).await.unwrap();
    let Event::News(event) = next(&mut subscription).await else {
        panic!("news are told");
    };
    assert_eq!(event.payload, Some(payload));
    assert_eq!(event.publisher, "me");
    assert!(event.published_at.unwrap().seconds > 1_700_000_000);
}

#[tokio::test]
async fn the_deepest_data_allowed_can_be_read_by_subscribers() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let mut subscription = subscribe_to(&service, &["data"], &[]).await;
    let mut payload = Struct::default();
    for _ in 0..32 {
        let inner = Kind::StructValue(std::mem::take(&mut payload));
        let inner = Value { kind: Some(inner) };
        payload.fields.insert("inner".into(), inner);
    }
    let request = PublishRequest {
        payload: Some(payload.clone()),
        ..publication("data", "")
    };
    service.bus.publish(request).await.unwrap();
    let Event::News(event) = next(&mut subscription).await else {
        panic!("news are told");
    };
    assert_eq!(event.payload, Some(payload));
}

#[tokio::test]
async fn a_repeated_publication_is_delivered_once() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let mut subscription = subscribe_to(&service, &["a"], &[]).await;
    let request = publication("a", "once");
    service.bus.publish(request.clone()).await.unwrap();
    service.bus.publish(request.clone()).await.unwrap();
    publish(&service, "a", "next").await;
    assert_eq!(next_publication(&mut subscription).await.1, "once");
    assert_eq!(next_publication(&mut subscription).await.1, "next");
    let reused = PublishRequest {
        channel: "b".into(),
        ..request
    };
    assert_eq!(
        refusal(service.bus.publish(reused).await),
        (Code::InvalidArgument, "REQUEST_ID_REUSED".into())
    );
}

#[tokio::test]
async fn a_publication_of_another_program_is_delivered_as_text() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let mut subscription = subscribe_to(&service, &["hello"], &[]).await;
    redis
        .command(&["PUBLISH", "shim:bus:hello", "not JSON"])
        .unwrap();
    assert_eq!(next_publication(&mut subscription).await.1, "not JSON");
    let envelope = r#"{"from":"cron","at":1000,"data":{"text":"JSON"}}"#;
    redis
        .command(&["PUBLISH", "shim:bus:hello", envelope])
        .unwrap();
    assert_eq!(next_publication(&mut subscription).await.1, "JSON");
}

#[tokio::test]
async fn every_wrong_topic_is_named() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let nothing = service.bus.subscribe(SubscribeRequest::default()).await;
    assert!(nothing.unwrap_err().message().starts_with("channels: "));
    let request = SubscribeRequest {
        channels: vec!["fine".into(), "*".into(), String::new()],
        patterns: vec!["fine*?".into(), "[a]".into(), "x".repeat(129)],
    };
    let refused = service.bus.subscribe(request).await.unwrap_err();
    let fields: Vec<_> = decode(&refused)
        .violations
        .into_iter()
        .map(|(field, _)| field)
        .collect();
    assert_eq!(
        fields,
        ["channels[1]", "channels[2]", "patterns[1]", "patterns[2]"]
    );
    let many = SubscribeRequest {
        channels: vec!["a".into(); 101],
        patterns: vec!["a".into(); 101],
    };
    let refused = service.bus.subscribe(many).await.unwrap_err();
    assert_eq!(decode(&refused).violations.len(), 2);
}
