//! Stories of living and dead workers over several coordination processes.

use std::time::{Duration, Instant};

use shim_proto::coordination::v1::watch_workers_response::Event as RegistryEvent;
use shim_proto::coordination::v1::{
    ListWorkersRequest, WatchWorkersRequest, WatchWorkersResponse, Worker, WorkerChangeKind,
};
use shim_redis_harness::Redis;
use shim_tests::coordination::CoordinationClients;
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;
use tokio::task::JoinHandle;
use tonic::{Code, Streaming};

const HEARTBEAT: Duration = Duration::from_millis(500);
const DEAD_AFTER: Duration = Duration::from_secs(2);
/// A death is found this soon after it is due.
const FOUND_WITHIN: Duration = Duration::from_secs(1);
/// The killed process held the leader's lock; another process leads when the lock has expired.
const TAKE_OVER: Duration = Duration::from_secs(3);

/// The coordination service with a shorter silence than by default.
fn launch(temp: &TempEnv, redis: &Redis) -> Launch {
    Launch::coordination(&temp.data_dir(), &redis.url())
        .env("SHIM_REGISTRY_HEARTBEAT", "500ms")
        .env("SHIM_REGISTRY_DEAD_AFTER", "2s")
}

async fn watch_workers(clients: &mut CoordinationClients) -> Streaming<WatchWorkersResponse> {
    let watch = clients
        .registry
        .watch_workers(WatchWorkersRequest::default())
        .await;
    watch.unwrap().into_inner()
}

/// Waits until the watch sends the death of `worker`.
async fn wait_for_death(worker_events: &mut Streaming<WatchWorkersResponse>, worker: &Worker) {
    loop {
        let response = worker_events
            .message()
            .await
            .unwrap()
            .expect("the stream goes on");
        if let Some(RegistryEvent::Changed(change)) = response.event
            && change.kind() == WorkerChangeKind::Died
            && change
                .worker
                .as_ref()
                .is_some_and(|dead| dead.worker_id == worker.worker_id)
        {
            return;
        }
    }
}

/// Asserts that the watch sends the death of a worker in time after its last heartbeat.
async fn assert_death(
    worker_events: &mut Streaming<WatchWorkersResponse>,
    worker: &Worker,
    last_beat: Instant,
    grace: Duration,
) {
    let limit = DEAD_AFTER + FOUND_WITHIN + grace;
    let in_time = tokio::time::timeout(
        limit.saturating_sub(last_beat.elapsed()),
        wait_for_death(worker_events, worker),
    );
    in_time
        .await
        .unwrap_or_else(|_| panic!("no death within {limit:?}"));
    let found = last_beat.elapsed();
    assert!(
        found >= DEAD_AFTER - Duration::from_millis(100),
        "too soon: {found:?}"
    );
}

/// Sends heartbeats for `worker` until aborted; ignores temporary failures, as workers do.
fn keep_heartbeating(mut clients: CoordinationClients, worker: Worker) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            if let Err(refusal) = clients.heartbeat(&worker).await {
                assert_eq!(refusal.code(), Code::Unavailable, "{refusal}");
            }
            tokio::time::sleep(HEARTBEAT).await;
        }
    })
}

async fn living(clients: &mut CoordinationClients) -> Vec<String> {
    let answer = clients
        .registry
        .list_workers(ListWorkersRequest::default())
        .await;
    let workers = answer.unwrap().into_inner().workers;
    workers.into_iter().map(|worker| worker.name).collect()
}

#[tokio::test]
async fn deaths_are_found_although_the_leader_was_killed() {
    let temp = TempEnv::new();
    let redis = Redis::start();
    let launch = launch(&temp, &redis);
    // The only process must be the leader.
    let mut leader = launch.clone().named("leader").start_or_panic().await;
    let mut clients = leader.coordination();
    let first = clients.register("first", "any").await.unwrap();
    let last_beat = Instant::now();
    assert_death(
        &mut watch_workers(&mut clients).await,
        &first,
        last_beat,
        Duration::ZERO,
    )
    .await;

    let follower = launch.named("follower").start_or_panic().await;
    let mut clients = follower.coordination();
    let mut worker_events = watch_workers(&mut clients).await;
    let second = clients.register("second", "any").await.unwrap();
    let beating = clients.register("beating", "any").await.unwrap();
    let last_beat = Instant::now();
    let heartbeat = keep_heartbeating(clients.clone(), beating);
    leader.kill();
    assert_death(&mut worker_events, &second, last_beat, TAKE_OVER).await;
    assert_eq!(living(&mut clients).await, ["beating"]);
    assert!(!heartbeat.is_finished());
    heartbeat.abort();
}

#[tokio::test]
async fn beating_workers_outlive_an_outage_of_redis() {
    let temp = TempEnv::new();
    let mut redis = Redis::start();
    let service: Service = launch(&temp, &redis).start_or_panic().await;
    let mut clients = service.coordination();
    let mut heartbeats = Vec::new();
    for name in ["a", "b", "c"] {
        let worker = clients.register(name, "any").await.unwrap();
        heartbeats.push(keep_heartbeating(clients.clone(), worker));
    }
    redis.kill();
    tokio::time::sleep(DEAD_AFTER).await;
    redis.restart();
    // Long enough for the heartbeats of a worker that was declared dead to be refused.
    tokio::time::sleep(DEAD_AFTER + FOUND_WITHIN).await;
    let mut names = living(&mut clients).await;
    names.sort();
    assert_eq!(names, ["a", "b", "c"]);
    for heartbeat in heartbeats {
        assert!(!heartbeat.is_finished(), "no beat was refused");
        heartbeat.abort();
    }
}
