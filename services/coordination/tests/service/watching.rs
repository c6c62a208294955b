//! Stories of the watches of state.

use std::time::Duration;

use shim_proto::coordination::v1::watch_state_response::Event;
use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use tonic::Streaming;

use super::test_service::{TestService, id, object, span, within};

async fn put(service: &TestService, key: &str, n: &str, ttl: Option<u64>) -> u64 {
    let request = PutStateRequest {
        request_id: id(),
        key: key.into(),
        value: Some(object(&[("n", n)])),
        ttl: ttl.and_then(span),
        ..Default::default()
    };
    let answer = service.state.clone().put_state(request).await.unwrap();
    answer.into_inner().version
}

async fn watch(service: &TestService, after_version: u64) -> Streaming<WatchStateResponse> {
    let request = WatchStateRequest {
        key_prefix: "job/".into(),
        after_version,
        ..Default::default()
    };
    let answer = service.state.clone().watch_state(request).await.unwrap();
    answer.into_inner()
}

async fn next(stream: &mut Streaming<WatchStateResponse>) -> Event {
    let response = within(stream.message()).await.unwrap();
    response.expect("the watch goes on").event.unwrap()
}

#[tokio::test]
async fn a_snapshot_then_every_change() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    put(&service, "job/1", "old", None).await;
    put(&service, "other", "x", None).await;
    let mut stream = watch(&service, 0).await;
    let Event::Entry(entry) = next(&mut stream).await else {
        panic!("an entry comes first")
    };
    assert_eq!(entry.key, "job/1");
    assert!(matches!(next(&mut stream).await, Event::Synced(_)));

    let version = put(&service, "job/2", "new", None).await;
    put(&service, "other", "y", None).await;
    let Event::Changed(change) = next(&mut stream).await else {
        panic!("a change")
    };
    assert_eq!(
        (change.version, change.kind()),
        (version, StateChangeKind::Put)
    );
    assert_eq!(change.entry.unwrap().value, Some(object(&[("n", "new")])));

    let delete = DeleteStateRequest {
        request_id: id(),
        key: "job/1".into(),
        ..Default::default()
    };
    service.state.clone().delete_state(delete).await.unwrap();
    let Event::Changed(change) = next(&mut stream).await else {
        panic!("a change")
    };
    assert_eq!(change.kind(), StateChangeKind::Deleted);
    assert_eq!(change.entry, None);
}

#[tokio::test]
async fn nothing_is_missed_between_the_snapshot_and_the_first_change() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let writer = {
        let state = service.state.clone();
        tokio::spawn(async move {
            for n in 0..500 {
                let request = PutStateRequest {
                    request_id: id(),
                    key: format!("job/{n}"),
                    value: Some(object(&[])),
                    ..Default::default()
                };
                state.clone().put_state(request).await.unwrap();
            }
        })
    };
    for _ in 0..5 {
        let mut stream = watch(&service, 0).await;
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() < 500 {
            match next(&mut stream).await {
                Event::Entry(entry) => seen.insert(entry.key),
                Event::Changed(change) => seen.insert(change.key),
                Event::Synced(_) | Event::Resync(_) => false,
            };
        }
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn a_watch_continues_where_an_earlier_one_ended() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let seen = put(&service, "job/1", "1", None).await;
    let missed = put(&service, "job/2", "2", None).await;
    let mut stream = watch(&service, seen).await;
    let Event::Changed(change) = next(&mut stream).await else {
        panic!("the change that was missed")
    };
    assert_eq!((change.key.as_str(), change.version), ("job/2", missed));
}

#[tokio::test]
async fn a_watch_too_far_behind_gets_a_new_snapshot() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let seen = put(&service, "job/1", "1", None).await;
    put(&service, "job/2", "2", None).await;
    put(&service, "job/3", "3", None).await;
    redis
        .command(&["XTRIM", "shim:{ns:default}:state-changes", "MAXLEN", "1"])
        .unwrap();
    let mut stream = watch(&service, seen).await;
    assert!(matches!(next(&mut stream).await, Event::Resync(_)));
    for key in ["job/1", "job/2", "job/3"] {
        let Event::Entry(entry) = next(&mut stream).await else {
            panic!("an entry")
        };
        assert_eq!(entry.key, key);
    }
    assert!(matches!(next(&mut stream).await, Event::Synced(_)));
}

#[tokio::test]
async fn an_expired_entry_is_reported_and_not_listed() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let mut stream = watch(&service, 0).await;
    assert!(matches!(next(&mut stream).await, Event::Synced(_)));
    put(&service, "job/short", "1", Some(1_000)).await;
    assert!(matches!(next(&mut stream).await, Event::Changed(_)));
    let Event::Changed(change) = next(&mut stream).await else {
        panic!("the expiry")
    };
    assert_eq!(change.kind(), StateChangeKind::Expired);
    assert_eq!((change.key.as_str(), change.entry), ("job/short", None));
    let names = redis
        .command(&["ZCARD", "shim:{ns:default}:state-names"])
        .unwrap();
    assert_eq!(names.integer(), Some(0));
}

#[tokio::test]
async fn a_watch_outlives_lost_subscriptions() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let mut stream = watch(&service, 0).await;
    assert!(matches!(next(&mut stream).await, Event::Synced(_)));
    redis
        .command(&["CLIENT", "KILL", "TYPE", "pubsub"])
        .unwrap();
    let version = put(&service, "job/1", "1", None).await;
    let Event::Changed(change) = next(&mut stream).await else {
        panic!("the change")
    };
    assert_eq!(change.version, version);
}

#[tokio::test]
async fn a_watch_continues_while_no_write_is_possible() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let mut stream = watch(&service, 0).await;
    assert!(matches!(next(&mut stream).await, Event::Synced(_)));
    let writers_need = |replicas: &str| {
        redis
            .command(&["CONFIG", "SET", "min-replicas-to-write", replicas])
            .unwrap();
    };
    writers_need("1");
    // The watch polls more than once meanwhile, and finds no change.
    let response = tokio::time::timeout(Duration::from_millis(2_500), stream.message()).await;
    assert!(response.is_err(), "{response:?}");
    let stats = redis.command(&["INFO", "errorstats"]).unwrap();
    assert!(stats.text().unwrap().contains("NOREPLICAS"));
    writers_need("0");
    let version = put(&service, "job/1", "1", None).await;
    let Event::Changed(change) = next(&mut stream).await else {
        panic!("the change")
    };
    assert_eq!(change.version, version);
}
