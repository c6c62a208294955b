//! Stories of the reaper: it declares every silent worker dead in time, and no other worker.

use std::time::{Duration, Instant};

use futures::future::join_all;
use futures::stream::{self, StreamExt};
use prost_types::Timestamp;
use shim_proto::coordination::v1::watch_workers_response::Event;
use shim_proto::coordination::v1::*;
use shim_redis_harness::{Cluster, Launch, Redis};
use tokio::runtime::Runtime;
use tonic::Code;

use super::registry::{get, heartbeat, list, register, registration};
use super::test_service::{TestService, refusal, within};
use super::watching_workers::{next, watch};

const HEARTBEAT: Duration = Duration::from_millis(200);
const DEAD_AFTER: Duration = Duration::from_millis(600);
/// A death is found this soon after it is due, in milliseconds.
const FOUND_WITHIN_MS: i64 = 1_000;
const SETTINGS: [(&str, &str); 2] = [
    ("registry.heartbeat", "200ms"),
    ("registry.dead_after", "600ms"),
];
const REAPERS_LOCK: &str = "shim:{registry}:lock:reaper";

async fn start_service(redis: &Redis) -> TestService {
    TestService::start_with(&redis.unix_url(), &SETTINGS).await
}

/// Waits until the reaper of a service leads.
async fn until_led(redis: &Redis) {
    within(async {
        while redis.command(&["EXISTS", REAPERS_LOCK]).unwrap().integer() != Some(1) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Waits for a sweep that began after the call.
async fn until_swept(redis: &Redis) {
    const NOW: &str = "local time = redis.call('TIME')
        return time[1] * 1000 + math.floor(time[2] / 1000)";
    let now = redis
        .command(&["EVAL", NOW, "0"])
        .unwrap()
        .integer()
        .unwrap();
    within(async {
        loop {
            let swept = redis
                .command(&["HGET", "shim:{registry}:sweep", "at"])
                .unwrap();
            let swept = swept.text().and_then(|at| at.parse::<i64>().ok());
            if swept.is_some_and(|at| at > now) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Waits until a worker is dead; returns it.
async fn death_of(service: &TestService, worker: &Worker) -> Worker {
    within(async {
        loop {
            // Calls are refused while Redis is away.
            if let Ok(now) = get(service, worker).await
                && now.state() == WorkerState::Dead
            {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

/// Sends heartbeats for some time, as a worker does.
async fn heartbeat_for(service: &TestService, worker: &Worker, how_long: Duration) {
    let end = Instant::now() + how_long;
    while Instant::now() < end {
        heartbeat(service, worker).await.unwrap();
        tokio::time::sleep(HEARTBEAT / 2).await;
    }
}

fn millis(at: Option<Timestamp>) -> i64 {
    let at = at.unwrap();
    at.seconds * 1_000 + i64::from(at.nanos) / 1_000_000
}

fn late_ms(due: &Worker, dead: &Worker) -> i64 {
    millis(dead.due_at) - millis(due.due_at)
}

#[tokio::test]
async fn a_silent_worker_dies_soon_and_a_beating_one_lives() {
    let redis = Redis::start();
    let service = start_service(&redis).await;
    let alive = register(&service, registration()).await;
    let silent = RegisterWorkerRequest {
        capabilities: vec!["rust".into()],
        ..registration()
    };
    let silent = register(&service, silent).await;
    let mut stream = watch(&service, 0).await;
    let (_, dead) = tokio::join!(
        heartbeat_for(&service, &alive, DEAD_AFTER * 3),
        death_of(&service, &silent)
    );
    let late = late_ms(&silent, &dead);
    assert!((0..=FOUND_WITHIN_MS).contains(&late), "{late} ms late");
    loop {
        if let Event::Changed(change) = next(&mut stream).await {
            assert_eq!(change.kind(), WorkerChangeKind::Died);
            assert_eq!(change.worker.as_ref(), Some(&dead));
            break;
        }
    }
    assert_eq!(get(&service, &alive).await.unwrap().epoch, alive.epoch);

    let able = ListWorkersRequest {
        capability: "rust".into(),
        ..Default::default()
    };
    assert!(list(&service, able.clone()).await.is_empty());
    let with_gone = ListWorkersRequest {
        include_gone: true,
        ..able
    };
    assert_eq!(list(&service, with_gone).await, [dead]);
}

#[tokio::test]
async fn a_dead_worker_is_refused_until_it_registers_again() {
    let redis = Redis::start();
    let service = start_service(&redis).await;
    let worker = register(&service, registration()).await;
    death_of(&service, &worker).await;
    let refused = heartbeat(&service, &worker).await.unwrap_err();
    assert!(
        refused.message().contains("silent for too long"),
        "{refused}"
    );
    let stale = (Code::FailedPrecondition, "STALE_WORKER".to_owned());
    assert_eq!(refusal::<()>(Err(refused)), stale);

    let again = RegisterWorkerRequest {
        worker_id: worker.worker_id.clone(),
        ..registration()
    };
    let again = register(&service, again).await;
    assert!(again.epoch > worker.epoch);
    heartbeat(&service, &again).await.unwrap();
    assert_eq!(refusal(heartbeat(&service, &worker).await), stale);
}

#[tokio::test]
async fn a_thousand_deaths_are_all_found_soon() {
    let redis = Redis::start();
    let service = start_service(&redis).await;
    until_led(&redis).await;
    let mut workers: Vec<_> = stream::iter(0..1_000)
        .map(|_| register(&service, registration()))
        .buffer_unordered(32)
        .collect()
        .await;
    let last = workers
        .iter()
        .max_by_key(|worker| millis(worker.due_at))
        .unwrap();
    death_of(&service, last).await;
    let dead = ListWorkersRequest {
        state: WorkerState::Dead.into(),
        ..Default::default()
    };
    let mut dead = list(&service, dead).await;
    dead.sort_by(|a, b| a.worker_id.cmp(&b.worker_id));
    workers.sort_by(|a, b| a.worker_id.cmp(&b.worker_id));
    assert_eq!(dead.len(), workers.len());
    for (worker, dead) in workers.iter().zip(&dead) {
        let late = late_ms(worker, dead);
        assert!((0..=FOUND_WITHIN_MS).contains(&late), "{late} ms late");
    }
}

#[tokio::test]
async fn another_service_reaps_when_the_leader_stops() {
    let redis = Redis::start();
    let leader = start_service(&redis).await;
    until_led(&redis).await;
    let other = start_service(&redis).await;
    let worker = register(&other, registration()).await;
    leader.stop().await;
    death_of(&other, &worker).await;
}

#[tokio::test]
async fn a_killed_leader_delays_no_death_while_heartbeats_arrive() {
    // The next reaper leads after about a second, later than a silence of the other stories may last.
    const SETTINGS: [(&str, &str); 2] = [
        ("registry.heartbeat", "500ms"),
        ("registry.dead_after", "2s"),
    ];
    let redis = Redis::start();
    let doomed = Runtime::new().unwrap();
    let url = redis.unix_url();
    let leader = doomed.spawn(async move { TestService::start_with(&url, &SETTINGS).await });
    let leader = leader.await.unwrap();
    until_swept(&redis).await;
    let other = TestService::start_with(&redis.unix_url(), &SETTINGS).await;
    let alive = register(&other, registration()).await;
    // Past the grace that the time before the first heartbeat gives.
    heartbeat_for(&other, &alive, Duration::from_secs(2)).await;
    let silent = register(&other, registration()).await;
    // All tasks of the runtime end where they are: nothing is released.
    doomed.shutdown_background();
    drop(leader);
    let token = redis.command(&["HGET", REAPERS_LOCK, "token"]).unwrap();
    assert!(
        token.text().is_some(),
        "the killed leader still holds the lock"
    );
    let (dead, ()) = tokio::join!(
        death_of(&other, &silent),
        heartbeat_for(&other, &alive, Duration::from_secs(4))
    );
    let late = late_ms(&silent, &dead);
    assert!((0..=FOUND_WITHIN_MS).contains(&late), "{late} ms late");
    assert_eq!(get(&other, &alive).await.unwrap().epoch, alive.epoch);
}

#[tokio::test]
async fn only_the_holder_of_the_lock_declares_workers_dead() {
    // In one step the lock gets another owner and the worker becomes overdue: the next sweep would find it.
    const USURP: &str = "redis.call('HSET', KEYS[1], 'token', '999999', 'owner', 'another')
        redis.call('PEXPIRE', KEYS[1], 1500)
        redis.call('ZADD', KEYS[2], 1, ARGV[1])";
    let redis = Redis::start();
    let service = start_service(&redis).await;
    until_swept(&redis).await;
    let worker = register(&service, registration()).await;
    heartbeat_for(&service, &worker, DEAD_AFTER).await;
    let due = "shim:{registry}:due";
    redis
        .command(&["EVAL", USURP, "2", REAPERS_LOCK, due, &worker.worker_id])
        .unwrap();
    let is_anothers = || {
        let token = redis.command(&["HGET", REAPERS_LOCK, "token"]).unwrap();
        token.text() == Some("999999")
    };
    let mut looks = 0;
    loop {
        let state = get(&service, &worker).await.unwrap().state();
        if !is_anothers() {
            break;
        }
        assert_eq!(state, WorkerState::Idle);
        looks += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(looks > 50, "the worker was overdue only for {looks} looks");
    death_of(&service, &worker).await;
}

/// Sends heartbeats until one is accepted.
async fn until_accepted(service: &TestService, worker: &Worker) {
    within(async {
        while let Err(refused) = heartbeat(service, worker).await {
            assert_eq!(refused.code(), Code::Unavailable, "{refused}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Takes Redis away for twice the allowed silence, in which no heartbeat is accepted.
async fn beating_workers_survive_an_outage(
    away: impl FnOnce(&mut Redis),
    back: impl FnOnce(&mut Redis),
) {
    // Every registration must survive the kill: with "everysec" a slow fsync can delay a write that was acknowledged.
    let mut redis = Launch::new().setting("appendfsync", "always").start();
    let service = start_service(&redis).await;
    until_led(&redis).await;
    let workers = join_all((0..20).map(|_| register(&service, registration()))).await;
    let silent = register(&service, registration()).await;
    away(&mut redis);
    // Only the clock ends this outage, so the story sleeps.
    tokio::time::sleep(DEAD_AFTER * 2).await;
    back(&mut redis);
    // One heartbeat may come before the reaper's first sweep; the others come after it.
    until_accepted(&service, &workers[0]).await;
    until_swept(&redis).await;
    for worker in &workers {
        until_accepted(&service, worker).await;
    }
    let beats = workers
        .iter()
        .map(|worker| heartbeat_for(&service, worker, DEAD_AFTER * 3));
    tokio::join!(join_all(beats), death_of(&service, &silent));
}

#[tokio::test]
async fn no_beating_worker_dies_while_redis_is_down() {
    beating_workers_survive_an_outage(Redis::kill, Redis::restart).await;
}

#[tokio::test]
async fn no_beating_worker_dies_while_redis_is_frozen() {
    beating_workers_survive_an_outage(|redis| redis.freeze(), |redis| redis.thaw()).await;
}

#[tokio::test]
async fn a_worker_that_died_long_ago_is_forgotten() {
    let redis = Redis::start();
    let service = start_service(&redis).await;
    let worker = register(&service, registration()).await;
    death_of(&service, &worker).await;
    let long_ago = "1000";
    redis
        .command(&["ZADD", "shim:{registry}:gone", long_ago, &worker.worker_id])
        .unwrap();
    within(async {
        while get(&service, &worker).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let refused = refusal(get(&service, &worker).await);
    assert_eq!(refused, (Code::NotFound, "WORKER_NOT_FOUND".into()));
    for rest in ["known", "gone", "living", "due"] {
        let count = redis
            .command(&["ZCARD", &format!("shim:{{registry}}:{rest}")])
            .unwrap();
        assert_eq!(count.integer(), Some(0), "{rest}");
    }
}

#[tokio::test]
async fn a_registry_works_on_a_cluster() {
    let cluster = Cluster::start();
    let service = TestService::start_with(&cluster.url(), &SETTINGS).await;
    let request = RegisterWorkerRequest {
        capabilities: vec!["rust".into()],
        ..registration()
    };
    let worker = register(&service, request).await;
    heartbeat(&service, &worker).await.unwrap();
    let able = ListWorkersRequest {
        capability: "rust".into(),
        ..Default::default()
    };
    assert_eq!(list(&service, able).await.len(), 1);
    death_of(&service, &worker).await;
}
