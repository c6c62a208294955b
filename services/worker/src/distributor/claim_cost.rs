//! What a claim without files costs: its round trips to Redis, as Redis's own MONITOR shows them.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use shim_proto::coordination::v1::{Task, TaskResult, Usage, Worker, WorkerKind};
use shim_redis_harness::Redis;
use shim_runtime::config::Settings;
use shim_runtime::lifecycle::Shutdown;
use shim_store::tasks::{LineageLimits, Submission};
use shim_store::{Config, IdempotencyKey, Store};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use uuid::Uuid;

use super::Distributor;

/// The registry's record, the heads of the queues, BullMQ's job, the claim.
const MAX_ROUND_TRIPS: usize = 4;

/// Commands that come from elsewhere than a claim: the connection's own, and announcements.
const UNRELATED: [&str; 4] = ["\"PING\"", "\"PUBLISH\"", "\"ECHO\"", "\"HELLO\""];

/// The commands that Redis gets from its clients, not from scripts.
struct Monitor(Lines<BufReader<UnixStream>>);

impl Monitor {
    async fn start(redis: &Redis) -> Self {
        let mut stream = UnixStream::connect(redis.socket()).await.unwrap();
        stream.write_all(b"MONITOR\r\n").await.unwrap();
        let mut lines = BufReader::new(stream).lines();
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "+OK");
        Self(lines)
    }

    /// The commands until a mark that `redis` sends now.
    async fn until_now(&mut self, redis: &Redis) -> Vec<String> {
        let mark = Uuid::now_v7().to_string();
        redis.command(&["ECHO", &mark]).unwrap();
        let mut commands = Vec::new();
        loop {
            let line = self.0.next_line().await.unwrap().unwrap();
            if line.contains(&mark) {
                return commands;
            }
            let is_unrelated = UNRELATED.iter().any(|command| line.contains(command));
            if !line.contains(" lua] ") && !is_unrelated {
                commands.push(line);
            }
        }
    }
}

fn store_at(redis: &Redis, shutdown: &Shutdown) -> Store {
    let flags = [("redis_url".to_owned(), redis.unix_url())];
    let mut settings = Settings::gather(None, [], flags).unwrap();
    let config = Config::read(&mut settings);
    settings.finish().unwrap();
    Store::open_at(&config, shutdown).unwrap()
}

fn job() -> Submission {
    let id = Uuid::now_v7().to_string();
    Submission {
        root: Task {
            root_id: id.clone(),
            task_id: id,
            goal: "one thing".to_owned(),
            priority: 50,
            max_attempts: 3,
            weight: 1.0,
            ..Task::default()
        },
        subtasks: Vec::new(),
        delay: Duration::ZERO,
        backoff: Duration::from_millis(10),
        schedule_next: None,
        lineage: LineageLimits::default(),
        caller: String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_without_files_takes_four_round_trips() {
    let redis = Redis::start();
    let shutdown = Shutdown::new();
    let mut store = store_at(&redis, &shutdown);
    while store.connection.health().is_err() {
        store.connection.health_changed().await;
    }
    let worker = Worker {
        worker_id: Uuid::now_v7().to_string(),
        kind: WorkerKind::Chat.into(),
        capacity: 100,
        ..Worker::default()
    };
    let registered = store
        .registry
        .register(&IdempotencyKey::fresh(), worker, Duration::from_secs(60))
        .await
        .unwrap();
    let worker_id = registered.worker_id.parse().unwrap();
    let distributor = Distributor::start(store.clone(), shutdown.clone());
    let mut monitor = Monitor::start(&redis).await;
    let mut fewest: Option<Vec<String>> = None;
    // The first claim opens the queue, and once a second the list of queues is read.
    for _ in 0..10 {
        store
            .tasks
            .submit(&IdempotencyKey::fresh(), &job())
            .await
            .unwrap();
        monitor.until_now(&redis).await;
        let worker = store.registry.get(worker_id).await.unwrap();
        let claim = distributor.claim(
            worker.as_ref().unwrap(),
            IdempotencyKey::fresh(),
            Duration::from_secs(10),
        );
        let claimed = claim.await.unwrap().unwrap();
        let commands = monitor.until_now(&redis).await;
        if fewest
            .as_ref()
            .is_none_or(|fewest| commands.len() < fewest.len())
        {
            fewest = Some(commands);
        }
        let (id, lease) = (&claimed.task.task_id, claimed.lease);
        let (idempotency_key, usage) = (IdempotencyKey::fresh(), Usage::default());
        let result = TaskResult::default();
        let tasks = &store.tasks;
        let done = tasks.complete(&idempotency_key, id, lease, &result, &usage);
        done.await.unwrap();
    }
    let fewest = fewest.unwrap();
    assert!(fewest.len() <= MAX_ROUND_TRIPS, "{fewest:#?}");
    shutdown.begin();
    distributor.finish().await;
}
