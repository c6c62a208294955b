//! What there may be of everything: state, locks, namespaces, inboxes, workers; and what all of it takes of memory.

use std::time::{Duration, SystemTime};

use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use shim_runtime::service_error::decode;
use tonic::{Code, Status};

use super::registry::registration;
use super::state::put;
use super::test_service::{TestService, id, within};

fn in_an_hour() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let then = now.unwrap() + Duration::from_secs(3_600);
    then.as_millis().to_string()
}

/// Puts so many members into a sorted set, all with one score.
fn fill(redis: &Redis, key: &str, score: &str, names: impl Iterator<Item = String>) {
    let names: Vec<String> = names.collect();
    let mut words = vec!["ZADD", key];
    for name in &names {
        words.extend([score, name.as_str()]);
    }
    redis.command(&words).unwrap();
}

fn names(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("n{n}"))
}

#[track_caller]
fn assert_quota(refused: &Status, words: &str, way_out: &str) {
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    let decoded = decode(refused);
    assert_eq!(decoded.reason, "QUOTA_EXCEEDED");
    assert!(decoded.message.contains(words), "{}", decoded.message);
    assert!(decoded.remedy.unwrap().contains(way_out));
    assert!(decoded.retry_after.is_some());
}

#[tokio::test]
async fn the_state_of_a_namespace_has_a_bound_and_what_expired_makes_room() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let state = || service.state.clone();
    state().put_state(put("mine", &[("a", "b")])).await.unwrap();
    let key = |name: &str| format!("shim:{{ns:default}}:{name}");
    fill(&redis, &key("state-names"), "0", names(9_999));
    fill(&redis, &key("state-deadlines"), &in_an_hour(), names(9_999));
    let refused = state().put_state(put("one more", &[])).await.unwrap_err();
    assert_quota(
        &refused,
        "10000 entries, and at most 10000 are allowed",
        "shim state clear",
    );
    state().put_state(put("mine", &[("a", "c")])).await.unwrap();
    // Redis deleted them at their ends.
    fill(&redis, &key("state-deadlines"), "1", names(9_999));
    state().put_state(put("one more", &[])).await.unwrap();

    let large = "x".repeat(100_000);
    let grow = redis.command(&["HSET", &key("state-sizes"), "all", &(64 << 20).to_string()]);
    grow.unwrap();
    let refused = state()
        .put_state(put("large", &[("a", &large)]))
        .await
        .unwrap_err();
    assert_quota(
        &refused,
        "67108864 bytes, and at most 67108864 are allowed",
        "DeleteState",
    );
    let patch = PatchStateRequest {
        request_id: id(),
        key: "mine".to_owned(),
        set: put("mine", &[("b", &large)]).value,
        ..PatchStateRequest::default()
    };
    let refused = state().patch_state(patch).await.unwrap_err();
    assert_quota(&refused, "bytes", "DeleteState");
    state().put_state(put("mine", &[("a", "d")])).await.unwrap();
}

#[tokio::test]
async fn what_an_entry_takes_is_counted_until_it_is_gone() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let all = || {
        let key = "shim:{ns:default}:state-sizes";
        let all = redis.command(&["HGET", key, "all"]).unwrap();
        all.text().map_or(0, |bytes| bytes.parse::<u64>().unwrap())
    };
    let state = || service.state.clone();
    state()
        .put_state(put("a", &[("text", &"x".repeat(1_000))]))
        .await
        .unwrap();
    let one = all();
    assert!((1_000..1_100).contains(&one), "{one}");
    state()
        .put_state(put("b", &[("text", &"x".repeat(1_000))]))
        .await
        .unwrap();
    assert_eq!(all(), 2 * one);
    state().put_state(put("b", &[])).await.unwrap();
    assert_eq!(all(), one);
    let patch = PatchStateRequest {
        request_id: id(),
        key: "b".to_owned(),
        set: put("b", &[("text", &"x".repeat(500))]).value,
        ..PatchStateRequest::default()
    };
    state().patch_state(patch).await.unwrap();
    assert!((one + 500..one + 700).contains(&all()), "{}", all());
    for key in ["a", "b"] {
        let delete = DeleteStateRequest {
            request_id: id(),
            key: key.to_owned(),
            ..DeleteStateRequest::default()
        };
        state().delete_state(delete).await.unwrap();
    }
    assert_eq!(all(), 0);
}

#[tokio::test]
async fn locks_and_workers_have_a_bound() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    fill(
        &redis,
        "shim:{ns:default}:lock-deadlines",
        &in_an_hour(),
        names(10_000),
    );
    let lock = AcquireLockRequest {
        request_id: id(),
        name: "mine".to_owned(),
        owner: "me".to_owned(),
        ..AcquireLockRequest::default()
    };
    let refused = service
        .locks
        .clone()
        .acquire_lock(lock.clone())
        .await
        .unwrap_err();
    assert_quota(
        &refused,
        "10000 locks of namespace default are held",
        "shim locks release",
    );
    let elsewhere = AcquireLockRequest {
        namespace: "elsewhere".to_owned(),
        ..lock
    };
    service.locks.clone().acquire_lock(elsewhere).await.unwrap();

    fill(&redis, "shim:{registry}:living", "0", names(10_000));
    let refused = service
        .registry
        .clone()
        .register_worker(registration())
        .await
        .unwrap_err();
    assert_quota(
        &refused,
        "10000 workers are registered and alive",
        "deregister",
    );
}

#[tokio::test]
async fn namespaces_and_inboxes_have_a_bound_and_empty_ones_give_way() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let in_namespace = |namespace: &str| PutStateRequest {
        namespace: namespace.to_owned(),
        ..put("mine", &[])
    };
    let state = || service.state.clone();
    state().put_state(in_namespace("known")).await.unwrap();
    let list = "shim:{places}:namespaces";
    fill(&redis, list, &in_an_hour(), names(9_999));
    for name in names(9_999).take(9_999) {
        // Those that are looked at hold something.
        if name.len() <= 3 || name.starts_with("n1") {
            let key = format!("shim:{{ns:{name}}}:state-deadlines");
            fill(&redis, &key, &in_an_hour(), names(1));
        }
    }
    redis
        .command(&["ZADD", list, &in_an_hour(), "known"])
        .unwrap();
    let refused = state().put_state(in_namespace("new")).await.unwrap_err();
    assert_quota(
        &refused,
        "there are 10000 namespaces, and at most 10000 are allowed",
        "shim state clear",
    );
    state().put_state(in_namespace("known")).await.unwrap();
    redis
        .command(&["DEL", "shim:{ns:n0}:state-deadlines"])
        .unwrap();
    state().put_state(in_namespace("new")).await.unwrap();
    let gone = redis.command(&["ZSCORE", list, "n0"]).unwrap();
    assert_eq!(gone.text(), None);

    let own = redis
        .command(&["HGETALL", "shim:{places}:namespaces-of"])
        .unwrap();
    let caller = own.items()[0].text().unwrap().to_owned();
    assert!(caller.starts_with("user "), "{caller}");
    let sent = |session: String| SendMessageRequest {
        request_id: id(),
        text: "hello".to_owned(),
        recipient: Some(send_message_request::Recipient::SessionId(session)),
        ..SendMessageRequest::default()
    };
    redis
        .command(&["HSET", "shim:{places}:inboxes-of", &caller, "5000"])
        .unwrap();
    let refused = service
        .bus
        .clone()
        .send_message(sent(id()))
        .await
        .unwrap_err();
    let words = format!("5000 inboxes that {caller} was the first to use, and at most 5000");
    assert_quota(&refused, &words, "shim messages clear");
    redis
        .command(&["HSET", "shim:{places}:inboxes-of", &caller, "4999"])
        .unwrap();
    service.bus.clone().send_message(sent(id())).await.unwrap();
}

#[tokio::test]
async fn what_the_store_takes_is_told_by_kind() {
    let redis = Redis::start();
    redis
        .command(&["CONFIG", "SET", "maxmemory", "100mb"])
        .unwrap();
    let service = TestService::start(&redis).await;
    let large = "x".repeat(200_000);
    service
        .state
        .clone()
        .put_state(put("large", &[("a", &large)]))
        .await
        .unwrap();
    service.stop().await;
    // A service measures as it begins to supervise.
    let service = TestService::start(&redis).await;
    let health = within(async {
        loop {
            let mut tasks = service.tasks.clone();
            let answer = tasks.queue_health(QueueHealthRequest {}).await;
            let health = answer.unwrap().into_inner();
            if health.store_sizes.iter().any(|size| size.kind == "state") {
                return health;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let state = health
        .store_sizes
        .iter()
        .find(|size| size.kind == "state")
        .unwrap();
    assert!(state.bytes > 200_000 && state.keys >= 3, "{state:?}");
    assert_eq!(health.max_store_bytes, 100 << 20);
    assert!(health.store_bytes > state.bytes);
    let used = |what: &str| health.bounds.iter().find(|bound| bound.what == what);
    let entries = used("state_entries").unwrap();
    assert_eq!(
        (entries.used, entries.max, &*entries.of),
        (1, 10_000, "default")
    );
    let bytes = used("state_bytes").unwrap();
    assert!(bytes.used > 200_000 && bytes.max == 64 << 20, "{bytes:?}");
    assert_eq!(used("namespaces").map(|bound| bound.used), Some(1));
}
