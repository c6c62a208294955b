//! A Redis that is away at the start, slow, or full.

use std::time::{Duration, Instant};

use prost_types::value::Kind;
use prost_types::{Struct, Value};
use shim_proto::coordination::v1::{AckMessagesRequest, DeleteStateRequest, ReleaseFilesRequest};
use shim_redis_harness::{Launch as RedisLaunch, Redis};
use shim_runtime::service_error::decode;
use shim_tests::calls::request_id;
use shim_tests::chaos::coordination::outages::{ANSWER_WITHIN, RECOVERED_WITHIN};
use shim_tests::coordination::{
    CoordinationClients, NAMESPACE, counted, files, inbox, lock, message, put, reason,
};
use shim_tests::proxy::Proxy;
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;
use tonic::{Code, Status};

const STATE_SERVICE: &str = "shim.coordination.v1.StateService";
const POLL_INTERVAL: Duration = Duration::from_millis(10);

async fn start(temp: &TempEnv, redis_url: &str) -> Service {
    Launch::coordination(&temp.data_dir(), redis_url)
        .start_or_panic()
        .await
}

fn assert_away(refusal: &Status, asked: Instant) {
    let decoded = decode(refusal);
    assert_eq!(refusal.code(), Code::Unavailable, "{decoded}");
    assert_eq!(decoded.reason, "STORE_UNAVAILABLE", "{decoded}");
    let retry_after = decoded.retry_after.expect("it says when to come again");
    assert!(retry_after <= Duration::from_secs(1), "{retry_after:?}");
    assert!(asked.elapsed() < ANSWER_WITHIN, "{:?}", asked.elapsed());
}

/// Waits until a write goes through and returns how long that took.
async fn recovery(clients: &mut CoordinationClients) -> Duration {
    let start = Instant::now();
    while let Err(refusal) = clients.put(put("recovery", counted(1), None)).await {
        assert_eq!(refusal.code(), Code::Unavailable, "{refusal}");
        assert!(start.elapsed() < 5 * RECOVERED_WITHIN, "it never recovers");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    start.elapsed()
}

#[tokio::test]
async fn a_service_starts_without_its_redis_and_serves_when_it_comes() {
    let temp = TempEnv::new();
    let mut redis = Redis::start();
    redis.kill();
    let mut service = Launch::coordination(&temp.data_dir(), &redis.url()).spawn();
    while !service.is_serving("").await {
        assert!(service.exit_status().is_none(), "{}", service.log());
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    assert!(!service.is_serving(STATE_SERVICE).await);
    let mut clients = service.coordination();
    let asked = Instant::now();
    let refusal = clients
        .get(NAMESPACE, "a")
        .await
        .expect_err("Redis is away");
    assert_away(&refusal, asked);

    redis.restart();
    assert!(recovery(&mut clients).await < RECOVERED_WITHIN);
    service
        .wait_until_ready()
        .await
        .expect("its health follows");

    redis.kill();
    let asked = Instant::now();
    let refusal = clients
        .get(NAMESPACE, "a")
        .await
        .expect_err("Redis is away");
    assert_away(&refusal, asked);
    while service.is_healthy().await {
        assert!(asked.elapsed() < RECOVERED_WITHIN, "its health follows");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    assert!(service.is_serving("").await);
    assert!(
        service.stop().success(),
        "it stops in good order without Redis"
    );
}

#[tokio::test]
async fn a_slow_redis_is_waited_for_and_a_very_slow_one_is_not() {
    let temp = TempEnv::new();
    let redis = Redis::start();
    let proxy = Proxy::to(&redis.address()).await;
    let service = start(&temp, &proxy.redis_url()).await;
    let mut clients = service.coordination();

    // The very first calls also bring the scripts to Redis.
    for (round, delay_millis) in [0, 300, 300].into_iter().enumerate() {
        proxy.delay(Duration::from_millis(delay_millis));
        let key = format!("slow-{round}");
        let written = clients.put(put(&key, counted(1), Some(0))).await;
        written.expect("it is slow, not away");
        let granted = clients
            .lock(lock("slow", "me", Duration::from_secs(10)))
            .await;
        let was_held = clients.unlock(&granted.expect("it is free")).await;
        assert!(was_held.expect("it is slow, not away"));
    }

    proxy.delay(Duration::from_secs(3));
    for _ in 0..3 {
        let asked = Instant::now();
        let refusal = clients
            .get(NAMESPACE, "slow-0")
            .await
            .expect_err("far too slow");
        assert_away(&refusal, asked);
    }
    proxy.delay(Duration::ZERO);
    assert!(recovery(&mut clients).await < RECOVERED_WITHIN + Duration::from_secs(3));
    assert_eq!(
        clients.get(NAMESPACE, "slow-2").await.unwrap().key,
        "slow-2"
    );
}

/// An entry of about `bytes` bytes.
fn bulky(bytes: usize) -> Struct {
    let kind = Some(Kind::StringValue("x".repeat(bytes)));
    Struct {
        fields: [("text".to_owned(), Value { kind })].into(),
    }
}

/// Writes until Redis has no room; the keys that were acknowledged.
async fn fill(clients: &mut CoordinationClients) -> Vec<String> {
    let mut keys = Vec::new();
    loop {
        let key = format!("bulky-{}", keys.len());
        match clients.put(put(&key, bulky(50_000), Some(0))).await {
            Ok(_) => keys.push(key),
            Err(refusal) => {
                assert_eq!(refusal.code(), Code::ResourceExhausted, "{refusal}");
                assert_eq!(reason(&refusal), "STORE_FULL");
                return keys;
            }
        }
        assert!(keys.len() < 10_000, "a small Redis is full at last");
    }
}

/// Sends messages until Redis has no room for one more.
async fn fill_inbox(clients: &mut CoordinationClients, session: &str) {
    let text = "x".repeat(16_000);
    for _ in 0..900 {
        if let Err(refusal) = clients.send(message(session, &text)).await {
            assert_eq!(reason(&refusal), "STORE_FULL", "{refusal}");
            return;
        }
    }
    panic!("a full Redis has no room for 900 messages");
}

#[tokio::test]
async fn a_full_redis_refuses_what_needs_room_and_takes_what_frees_it() {
    let temp = TempEnv::new();
    let redis = RedisLaunch::new().max_memory("12mb").start();
    let service = start(&temp, &redis.url()).await;
    let mut clients = service.coordination();
    let session = request_id();
    let granted = clients
        .lock(lock("held", "me", Duration::from_secs(600)))
        .await
        .unwrap();
    let lease = clients.lease(files("me", &["src/**"])).await.unwrap();
    clients.send(message(&session, "before")).await.unwrap();
    let unread = clients.receive(inbox(&session)).await.unwrap();

    let keys = fill(&mut clients).await;
    assert!(!keys.is_empty());
    fill_inbox(&mut clients, &session).await;
    for key in &keys {
        clients
            .get(NAMESPACE, key)
            .await
            .expect("nothing acknowledged is lost");
    }
    assert!(
        clients
            .unlock(&granted)
            .await
            .expect("a lock can be given back")
    );
    let release = ReleaseFilesRequest {
        request_id: request_id(),
        workspace: NAMESPACE.into(),
        holder: lease.holder,
        lease_ids: vec![lease.lease_id],
    };
    let released = clients
        .locks
        .release_files(release)
        .await
        .expect("leases can be given back");
    assert_eq!(released.into_inner().released, 1);
    let ack = AckMessagesRequest {
        inbox: session.clone(),
        message_ids: unread
            .into_iter()
            .map(|message| message.message_id)
            .collect(),
    };
    let acknowledged = clients
        .bus
        .ack_messages(ack)
        .await
        .expect("messages can be acknowledged");
    assert_eq!(acknowledged.into_inner().acknowledged, 1);
    for key in &keys[..keys.len() / 2] {
        let delete = DeleteStateRequest {
            request_id: request_id(),
            namespace: NAMESPACE.into(),
            key: key.clone(),
            ..Default::default()
        };
        let deleted = clients
            .state
            .delete_state(delete)
            .await
            .expect("entries can be deleted");
        assert!(deleted.into_inner().existed);
    }
    clients
        .put(put("room", bulky(50_000), Some(0)))
        .await
        .expect("there is room again");
    for key in &keys[keys.len() / 2..] {
        clients
            .get(NAMESPACE, key)
            .await
            .expect("nothing acknowledged is lost");
    }
    assert!(service.is_healthy().await);
}
