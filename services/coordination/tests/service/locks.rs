//! Stories of locks and their fencing tokens.

use std::time::{Duration, Instant};

use shim_proto::coordination::v1::*;
use shim_redis_harness::{Nodes, Redis};
use tonic::{Code, Status};

use super::test_service::{TestService, id, object, refusal, span};

pub(super) fn acquire_request(owner: &str, ttl_ms: u64) -> AcquireLockRequest {
    AcquireLockRequest {
        request_id: id(),
        name: "build".into(),
        owner: owner.into(),
        purpose: "building".into(),
        ttl: span(ttl_ms),
        ..Default::default()
    }
}

pub(super) async fn acquire(
    service: &TestService,
    request: AcquireLockRequest,
) -> Result<Lock, Status> {
    let answer = service.locks.clone().acquire_lock(request).await?;
    Ok(answer.into_inner().lock.unwrap())
}

pub(super) async fn release(service: &TestService, lock: &Lock) -> Result<bool, Status> {
    let request = ReleaseLockRequest {
        request_id: id(),
        name: lock.name.clone(),
        owner: lock.owner.clone(),
        fencing_token: lock.fencing_token,
        ..Default::default()
    };
    let answer = service.locks.clone().release_lock(request).await?;
    Ok(answer.into_inner().was_held)
}

pub(super) async fn renew(service: &TestService, lock: &Lock, ttl_ms: u64) -> Result<Lock, Status> {
    let request = RenewLockRequest {
        name: lock.name.clone(),
        owner: lock.owner.clone(),
        fencing_token: lock.fencing_token,
        ttl: span(ttl_ms),
        ..Default::default()
    };
    let answer = service.locks.clone().renew_lock(request).await?;
    Ok(answer.into_inner().lock.unwrap())
}

async fn write_under(service: &TestService, lock: &Lock) -> Result<u64, Status> {
    let request = PutStateRequest {
        request_id: id(),
        key: "guarded".into(),
        value: Some(object(&[("by", &lock.owner)])),
        fence: Some(Fence {
            lock: lock.name.clone(),
            token: lock.fencing_token,
        }),
        ..Default::default()
    };
    let answer = service.state.clone().put_state(request).await?;
    Ok(answer.into_inner().version)
}

async fn get_lock(service: &TestService) -> Option<Lock> {
    let request = GetLockRequest {
        name: "build".into(),
        ..Default::default()
    };
    let answer = service.locks.clone().get_lock(request).await.unwrap();
    answer.into_inner().lock
}

#[tokio::test]
async fn a_held_lock_names_its_holder() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let lock = acquire(&service, acquire_request("ann", 30_000))
        .await
        .unwrap();
    assert_eq!(get_lock(&service).await, Some(lock.clone()));
    let refused = acquire(&service, acquire_request("bob", 30_000))
        .await
        .unwrap_err();
    assert!(refused.message().contains("ann (building)"), "{refused}");
    assert_eq!(
        refusal::<()>(Err(refused)),
        (Code::Aborted, "LOCK_HELD".into())
    );

    assert!(release(&service, &lock).await.unwrap());
    assert!(!release(&service, &lock).await.unwrap());
    assert_eq!(get_lock(&service).await, None);
    let next = acquire(&service, acquire_request("bob", 30_000))
        .await
        .unwrap();
    assert!(next.fencing_token > lock.fencing_token);
}

#[tokio::test]
async fn a_repeated_request_holds_the_lock_once() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let request = acquire_request("ann", 30_000);
    let lock = acquire(&service, request.clone()).await.unwrap();
    assert_eq!(acquire(&service, request.clone()).await.unwrap(), lock);
    let reused = AcquireLockRequest {
        owner: "bob".into(),
        ..request.clone()
    };
    let refused = refusal(acquire(&service, reused).await);
    assert_eq!(refused, (Code::InvalidArgument, "REQUEST_ID_REUSED".into()));
    release(&service, &lock).await.unwrap();
    // The lock was acquired and released: the repetition gets the same response, and the lock stays free.
    assert_eq!(acquire(&service, request).await.unwrap(), lock);
    acquire(&service, acquire_request("bob", 30_000))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_lock_without_renewal_is_lost_and_its_writes_are_refused() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let stale = acquire(&service, acquire_request("ann", 150))
        .await
        .unwrap();
    write_under(&service, &stale).await.unwrap();
    let waiting = AcquireLockRequest {
        wait: span(5_000),
        ..acquire_request("bob", 30_000)
    };
    let fresh = acquire(&service, waiting).await.unwrap();
    let refused = write_under(&service, &stale).await.unwrap_err();
    assert!(refused.message().contains("bob"), "{refused}");
    assert_eq!(
        refusal::<()>(Err(refused)),
        (Code::FailedPrecondition, "STALE_FENCE".into())
    );
    write_under(&service, &fresh).await.unwrap();
    let lost = (Code::FailedPrecondition, "LOCK_LOST".into());
    assert_eq!(refusal(renew(&service, &stale, 1_000).await), lost);
    assert!(!release(&service, &stale).await.unwrap());
    assert_eq!(get_lock(&service).await, Some(fresh));
}

#[tokio::test]
async fn a_write_under_an_ended_lock_is_refused_although_the_lock_is_free() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let lock = acquire(&service, acquire_request("ann", 100))
        .await
        .unwrap();
    super::test_service::within(async {
        while get_lock(&service).await.is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let refused = refusal(write_under(&service, &lock).await);
    assert_eq!(refused, (Code::FailedPrecondition, "STALE_FENCE".into()));
}

#[tokio::test]
async fn renewal_keeps_a_lock_beyond_its_first_time() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let lock = acquire(&service, acquire_request("ann", 400))
        .await
        .unwrap();
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(1_000) {
        let renewed = renew(&service, &lock, 400).await.unwrap();
        assert_eq!(renewed.fencing_token, lock.fencing_token);
        assert_eq!(renewed.acquired_at, lock.acquired_at);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    write_under(&service, &lock).await.unwrap();
}

#[tokio::test]
async fn tokens_grow_although_the_store_lost_the_last_ones() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let before = acquire(&service, acquire_request("ann", 30_000))
        .await
        .unwrap();
    redis.command(&["FLUSHALL"]).unwrap();
    let after = acquire(&service, acquire_request("bob", 30_000))
        .await
        .unwrap();
    assert!(after.fencing_token > before.fencing_token);
    let refused = refusal(write_under(&service, &before).await);
    assert_eq!(refused, (Code::FailedPrecondition, "STALE_FENCE".into()));
}

#[tokio::test]
async fn a_full_redis_keeps_its_locks_and_grants_no_new_ones() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let lock = acquire(&service, acquire_request("ann", 30_000))
        .await
        .unwrap();
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    renew(&service, &lock, 30_000).await.unwrap();
    let other = AcquireLockRequest {
        name: "other".into(),
        ..acquire_request("bob", 30_000)
    };
    let refused = refusal(acquire(&service, other).await);
    assert_eq!(refused, (Code::ResourceExhausted, "STORE_FULL".into()));
    assert!(release(&service, &lock).await.unwrap());
}

#[tokio::test]
async fn a_waiter_gets_the_lock_soon_after_its_release() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let other = TestService::start(&redis).await;
    let mut waits = Vec::new();
    for _ in 0..10 {
        let lock = acquire(&service, acquire_request("ann", 30_000))
            .await
            .unwrap();
        let waiting = AcquireLockRequest {
            wait: span(10_000),
            ..acquire_request("bob", 30_000)
        };
        let waiter = {
            let locks = other.locks.clone();
            tokio::spawn(async move {
                let lock = locks.clone().acquire_lock(waiting).await.unwrap();
                (lock.into_inner().lock.unwrap(), Instant::now())
            })
        };
        tokio::time::sleep(Duration::from_millis(20)).await;
        let released = Instant::now();
        release(&service, &lock).await.unwrap();
        let (lock, got) = waiter.await.unwrap();
        waits.push(got.duration_since(released));
        release(&service, &lock).await.unwrap();
    }
    waits.sort();
    // A waiter that only polls needs more than 100 ms each time; a stuck one needs seconds.
    assert!(waits[0] < Duration::from_millis(100), "{waits:?}");
    assert!(waits[9] < Duration::from_secs(3), "{waits:?}");
}

#[tokio::test]
async fn a_wait_ends_with_its_deadline() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    acquire(&service, acquire_request("ann", 30_000))
        .await
        .unwrap();
    let waiting = AcquireLockRequest {
        wait: span(300),
        ..acquire_request("bob", 30_000)
    };
    let since = Instant::now();
    let refused = refusal(acquire(&service, waiting).await);
    assert_eq!(refused, (Code::Aborted, "LOCK_HELD".into()));
    assert!(
        (300..1_500).contains(&since.elapsed().as_millis()),
        "{:?}",
        since.elapsed()
    );
}

#[tokio::test]
async fn held_locks_are_listed_in_pages() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    for i in 0..7 {
        let request = AcquireLockRequest {
            name: format!("lock {i}"),
            ..acquire_request("ann", 30_000)
        };
        acquire(&service, request).await.unwrap();
    }
    let mut names = Vec::new();
    let mut token = String::new();
    loop {
        let request = ListLocksRequest {
            page_size: 3,
            page_token: token,
            ..Default::default()
        };
        let page = service
            .locks
            .clone()
            .list_locks(request)
            .await
            .unwrap()
            .into_inner();
        names.extend(page.locks.into_iter().map(|lock| lock.name));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let expected: Vec<_> = (0..7).map(|i| format!("lock {i}")).collect();
    assert_eq!(names, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_owners_hold_the_lock_one_at_a_time() {
    let redis = Redis::start();
    let (one, two) = (
        TestService::start(&redis).await,
        TestService::start(&redis).await,
    );
    let mut racers = tokio::task::JoinSet::new();
    for racer in 0..8 {
        let service = if racer % 2 == 0 { &one } else { &two };
        let (mut locks, mut state) = (service.locks.clone(), service.state.clone());
        racers.spawn(async move {
            for _ in 0..25 {
                let request = AcquireLockRequest {
                    wait: span(20_000),
                    ..acquire_request(&format!("racer {racer}"), 30_000)
                };
                let lock = locks.acquire_lock(request).await.unwrap();
                let lock = lock.into_inner().lock.unwrap();
                // No version is checked, so only the lock keeps the increments from getting lost.
                let read = GetStateRequest {
                    key: "count".into(),
                    ..Default::default()
                };
                let count = match state.get_state(read).await {
                    Ok(entry) => {
                        let value = entry.into_inner().entry.unwrap().value.unwrap();
                        match &value.fields["n"].kind {
                            Some(prost_types::value::Kind::StringValue(n)) => {
                                n.parse::<u32>().unwrap()
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                    Err(status) => {
                        assert_eq!(status.code(), Code::NotFound);
                        0
                    }
                };
                let write = PutStateRequest {
                    request_id: id(),
                    key: "count".into(),
                    value: Some(object(&[("n", &(count + 1).to_string())])),
                    fence: Some(Fence {
                        lock: "build".into(),
                        token: lock.fencing_token,
                    }),
                    ..Default::default()
                };
                state.put_state(write).await.unwrap();
                let give_back = ReleaseLockRequest {
                    request_id: id(),
                    name: "build".into(),
                    owner: lock.owner,
                    fencing_token: lock.fencing_token,
                    ..Default::default()
                };
                assert!(
                    locks
                        .release_lock(give_back)
                        .await
                        .unwrap()
                        .into_inner()
                        .was_held
                );
            }
        });
    }
    while let Some(racer) = racers.join_next().await {
        racer.unwrap();
    }
    let read = GetStateRequest {
        key: "count".into(),
        ..Default::default()
    };
    let entry = one
        .state
        .clone()
        .get_state(read)
        .await
        .unwrap()
        .into_inner()
        .entry
        .unwrap();
    assert_eq!(entry.value, Some(object(&[("n", "200")])));
}
