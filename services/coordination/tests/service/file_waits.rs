//! Stories of file leases that are waited for, or held under a lock.

use std::time::{Duration, Instant};

use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use tonic::Code;

use super::files::{acquire, acquire_request, files_held, release};
use super::test_service::{TestService, id, refusal, span};

use FileLeaseMode::{Exclusive, Shared};

#[tokio::test]
async fn a_waiter_gets_the_files_soon_after_their_release() {
    let redis = Redis::start();
    let (service, other) = (
        TestService::start(&redis).await,
        TestService::start(&redis).await,
    );
    let mut waits = Vec::new();
    for _ in 0..10 {
        let lease = acquire(&service, acquire_request("ann", Exclusive, &["src"]))
            .await
            .unwrap();
        let waiting = AcquireFilesRequest {
            wait: span(10_000),
            ..acquire_request("bob", Exclusive, &["src/a.rs"])
        };
        let mut locks = other.locks.clone();
        let waiter = tokio::spawn(async move {
            locks.acquire_files(waiting).await.unwrap();
            Instant::now()
        });
        // Long enough for the waiter to try once and then wait.
        tokio::time::sleep(Duration::from_millis(30)).await;
        let released = Instant::now();
        assert_eq!(release(&service, "ann", &[&lease]).await, 1);
        waits.push(within(waiter).await.unwrap().duration_since(released));
        release(&service, "bob", &[]).await;
    }
    waits.sort();
    // A waiter that only polls needs more than 200 ms each time; a stuck one needs seconds.
    assert!(waits[0] < Duration::from_millis(200), "{waits:?}");
    assert!(waits[9] < Duration::from_secs(3), "{waits:?}");
}

#[tokio::test]
async fn a_wait_ends_with_its_deadline() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    acquire(&service, acquire_request("ann", Exclusive, &["src"]))
        .await
        .unwrap();
    let waiting = AcquireFilesRequest {
        wait: span(300),
        ..acquire_request("bob", Exclusive, &["src"])
    };
    let since = Instant::now();
    assert_eq!(refusal(acquire(&service, waiting).await), files_held());
    assert!(
        (300..1_500).contains(&since.elapsed().as_millis()),
        "{:?}",
        since.elapsed()
    );
}

#[tokio::test]
async fn files_are_leased_only_under_a_lock_that_is_held() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let lock = AcquireLockRequest {
        request_id: id(),
        name: "plan".into(),
        owner: "ann".into(),
        ..Default::default()
    };
    let lock = service.locks.clone().acquire_lock(lock).await.unwrap();
    let lock = lock.into_inner().lock.unwrap();
    let under = |token: u64, pattern: &str| AcquireFilesRequest {
        fence: Some(Fence {
            lock: "plan".into(),
            token,
        }),
        ..acquire_request("ann", Exclusive, &[pattern])
    };
    acquire(&service, under(lock.fencing_token, "a"))
        .await
        .unwrap();
    let stale = (Code::FailedPrecondition, "STALE_FENCE".into());
    let refused = acquire(&service, under(lock.fencing_token + 1, "b")).await;
    assert_eq!(refusal(refused), stale);

    let release_lock = ReleaseLockRequest {
        request_id: id(),
        name: "plan".into(),
        owner: "ann".into(),
        fencing_token: lock.fencing_token,
        ..Default::default()
    };
    service
        .locks
        .clone()
        .release_lock(release_lock)
        .await
        .unwrap();
    // A request with a stale fence does not wait.
    acquire(&service, acquire_request("bob", Exclusive, &["c"]))
        .await
        .unwrap();
    let waiting = AcquireFilesRequest {
        wait: span(20_000),
        ..under(lock.fencing_token, "c")
    };
    let since = Instant::now();
    assert_eq!(refusal(acquire(&service, waiting).await), stale);
    assert!(since.elapsed() < Duration::from_secs(10));
    let holders = list(&service, ListFilesRequest::default()).await;
    assert_eq!(holders.len(), 2, "{holders:?}");
}
