//! Stories of locks that several Redis servers keep.

use std::time::{Duration, Instant};

use shim_proto::coordination::v1::*;
use shim_redis_harness::{Nodes, Redis};
use tonic::Code;

use super::locks::{acquire, acquire_request, release};
use super::test_service::{TestService, refusal};

#[tokio::test]
async fn long_locks_are_held_as_long_on_their_nodes() {
    let (redis, nodes) = (Redis::start(), Nodes::start(3));
    let service = over(&redis, &nodes).await;
    let lock = acquire(&service, acquire_request("ann", 3_600_000))
        .await
        .unwrap();
    let left = nodes.all().iter().map(left_on).max();
    assert!(left > Some(3_500_000), "{left:?}");
    let held_seconds = lock.expires_at.unwrap().seconds - lock.acquired_at.unwrap().seconds;
    assert!(held_seconds > 3_500, "{held_seconds} s");
}

async fn over(redis: &Redis, nodes: &Nodes) -> TestService {
    let urls = nodes.urls();
    TestService::start_with(&redis.unix_url(), &[("coordination.lock_nodes", &urls)]).await
}

/// How long a lock node still keeps the lock, in milliseconds.
fn left_on(node: &Redis) -> i64 {
    let left = node.command(&["PTTL", "shim:{ns:default}:redlock:build"]);
    left.unwrap().integer().unwrap()
}

/// Acquires the lock as soon as the nodes agree.
async fn soon(service: &TestService, owner: &str) -> Lock {
    super::test_service::within(async {
        loop {
            match acquire(service, acquire_request(owner, 30_000)).await {
                Ok(lock) => return lock,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

/// A holder that was suspended after the nodes agreed must not replace a later holder.
#[tokio::test]
async fn a_living_record_excludes_every_other_owner() {
    let (redis, nodes) = (Redis::start(), Nodes::start(3));
    let service = over(&redis, &nodes).await;
    let lock = soon(&service, "ann").await;
    for node in nodes.all() {
        node.command(&["FLUSHALL"]).unwrap();
    }
    let refused = refusal(acquire(&service, acquire_request("bob", 30_000)).await);
    assert_eq!(refused, (Code::Aborted, "LOCK_HELD".into()));
    // The holder can renew the lock, although the nodes forgot it.
    renew(&service, &lock, 30_000).await.unwrap();
    write_under(&service, &lock).await.unwrap();
}

#[tokio::test]
async fn a_minority_of_lock_nodes_may_die() {
    let (redis, mut nodes) = (Redis::start(), Nodes::start(3));
    let service = over(&redis, &nodes).await;
    nodes.node(0).kill();
    let lock = soon(&service, "ann").await;
    renew(&service, &lock, 30_000).await.unwrap();
    assert!(release(&service, &lock).await.unwrap());
    nodes.node(1).kill();
    let refused = refusal(acquire(&service, acquire_request("ann", 30_000)).await);
    assert_eq!(refused, (Code::Unavailable, "LOCK_UNDECIDED".into()));
    nodes.node(0).restart();
    nodes.node(1).restart();
    soon(&service, "ann").await;
}

#[tokio::test]
async fn a_silent_lock_node_delays_no_call_for_long() {
    let (redis, nodes) = (Redis::start(), Nodes::start(3));
    nodes.all()[0].freeze();
    let service = over(&redis, &nodes).await;
    let lock = soon(&service, "ann").await;
    for _ in 0..5 {
        let since = Instant::now();
        renew(&service, &lock, 30_000).await.unwrap();
        assert!(
            since.elapsed() < Duration::from_millis(500),
            "{:?}",
            since.elapsed()
        );
    }
    nodes.all()[0].thaw();
}

/// Nodes that were away remember a lock that was released meanwhile; the next request for the lock releases it there.
#[tokio::test]
async fn a_lock_released_without_its_nodes_is_free_again() {
    let (redis, mut nodes) = (Redis::start(), Nodes::start(3));
    let service = over(&redis, &nodes).await;
    let lock = acquire(&service, acquire_request("ann", 600_000))
        .await
        .unwrap();
    nodes.node(0).kill();
    nodes.node(1).kill();
    assert!(release(&service, &lock).await.unwrap());
    nodes.node(0).restart();
    nodes.node(1).restart();
    assert!(left_on(&nodes.all()[0]) > 0, "the node remembers");
    soon(&service, "bob").await;
}
