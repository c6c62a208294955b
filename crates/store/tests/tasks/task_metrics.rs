//! What is counted is what was committed, once, however often a request comes.

use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use prost_types::{Struct, Timestamp};
use shim_proto::coordination::v1::{FileLeaseMode, Message, Usage, Worker};
use shim_redis_harness::Launch;
use shim_runtime::ids::{Epoch, FencingToken, FileLeaseId, SessionId};
use shim_store::domain::Pattern;
use shim_store::tasks::{WaitingWorkers, WorkerGone};
use shim_store::{Error, Fence, IdempotencyKey, files, locks, state};
use uuid::Uuid;

use super::test_store::{TestStore, claimer, graph, once, result, single, worker_id};

/// What is counted on this thread, as Prometheus reads it. The tests have no other thread.
struct Meter(PrometheusHandle);

impl Meter {
    fn of(recorder: &PrometheusRecorder) -> Self {
        Self(recorder.handle())
    }

    /// The value of a series; 0 if there is none.
    fn of_series(&self, series: &str) -> f64 {
        let text = self.0.render();
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    #[track_caller]
    fn shows(&self, expected: &[(&str, f64)]) {
        for (series, value) in expected {
            let found = self.of_series(series);
            assert!(
                (found - value).abs() < 1e-9,
                "{series} is {found}, not {value}\n{}",
                self.0.render()
            );
        }
    }
}

async fn env() -> TestStore {
    TestStore::over(Launch::new().start()).await
}

fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new().build_recorder()
}

#[tokio::test]
async fn a_repeated_submit_and_cancel_count_once() {
    let recorder = recorder();
    let _counted = metrics::set_default_local_recorder(&recorder);
    let (meter, env) = (Meter::of(&recorder), env().await);
    let (submit, cancel, plan) = (once(), once(), graph(&[&[], &[0]]));
    let tasks = &env.store.tasks;
    for _ in 0..2 {
        tasks.submit(&submit, &plan).await.unwrap();
    }
    meter.shows(&[("shim_tasks_submitted_total", 3.0)]);
    for _ in 0..2 {
        let cancelled = tasks.cancel(&cancel, &plan.root.task_id, "").await;
        assert_eq!(cancelled.unwrap().1, 3);
    }
    meter.shows(&[
        ("shim_tasks_submitted_total", 3.0),
        (r#"shim_tasks_ended_total{state="cancelled"}"#, 3.0),
        ("shim_tasks_dead_lettered_total", 0.0),
    ]);
}

#[tokio::test]
async fn a_result_counts_once_and_a_stale_report_as_refused() {
    let recorder = recorder();
    let _counted = metrics::set_default_local_recorder(&recorder);
    let (meter, env) = (Meter::of(&recorder), env().await);
    let mut plan = single("build it");
    plan.root.kind = "build".to_owned();
    env.submit(plan).await;
    let claimed = env.claim("w").await.unwrap();
    let (id, complete) = (&claimed.task.task_id, once());
    let (done, usage) = (result("done"), Usage::default());
    for _ in 0..2 {
        let tasks = &env.store.tasks;
        let reported = tasks.complete(&complete, id, claimed.lease, &done, &usage);
        reported.await.unwrap();
    }
    let late = env.report(&claimed, 0.5).await;
    assert!(matches!(late, Err(Error::StaleLease { .. })), "{late:?}");
    meter.shows(&[
        (r#"shim_tasks_claimed_total{executor="chat"}"#, 1.0),
        ("shim_task_wait_seconds_count", 1.0),
        (r#"shim_tasks_ended_total{state="completed"}"#, 1.0),
        (r#"shim_task_duration_seconds_count{kind="build"}"#, 1.0),
        (r#"shim_stale_writes_refused_total{what="task"}"#, 1.0),
    ]);
}

#[tokio::test]
async fn a_claim_that_is_asked_for_again_counts_once() {
    let recorder = recorder();
    let _counted = metrics::set_default_local_recorder(&recorder);
    let (meter, env) = (Meter::of(&recorder), env().await);
    env.submit(single("a")).await;
    let mut claimer = claimer("w");
    claimer.idempotency_key = Some(once());
    let tasks = &env.store.tasks;
    let first = tasks.take("work", &claimer).await.unwrap().unwrap();
    let again = tasks.claimed_before(&claimer).await.unwrap().unwrap();
    assert_eq!(first.lease, again.lease);
    meter.shows(&[
        (r#"shim_tasks_claimed_total{executor="chat"}"#, 1.0),
        ("shim_task_wait_seconds_count", 1.0),
    ]);
}

#[tokio::test]
async fn a_wait_begins_when_a_task_could_run() {
    let recorder = recorder();
    let _counted = metrics::set_default_local_recorder(&recorder);
    let (meter, env) = (Meter::of(&recorder), env().await);
    let mut plan = single("later");
    plan.delay = Duration::from_millis(300);
    let ids = env.submit(plan).await;
    let claimed = loop {
        env.sweep().await;
        if let Some(claimed) = env.claim("w").await {
            break claimed;
        }
    };
    assert_eq!(claimed.task.task_id, ids[0]);
    let ms = |at: Option<Timestamp>| {
        at.map_or(0, |at| at.seconds * 1_000 + i64::from(at.nanos) / 1_000_000)
    };
    let task = env.task(&ids[0]).await;
    let waited = meter.of_series("shim_task_wait_seconds_sum");
    let all =
        Duration::from_millis(u64::try_from(ms(task.started_at) - ms(task.created_at)).unwrap());
    let before = all.as_secs_f64() - waited;
    // BullMQ measures delays by its own clock.
    assert!(before > 0.25, "{before} of {all:?}");
}

#[tokio::test]
async fn a_dead_workers_task_is_put_back_with_a_delay_and_a_failed_one_is_a_dead_letter() {
    let recorder = recorder();
    let _counted = metrics::set_default_local_recorder(&recorder);
    let (meter, env) = (Meter::of(&recorder), env().await);
    env.submit(single("a")).await;
    let claimed = env.claim("w").await.unwrap();
    let worker_gone = WorkerGone {
        worker_id: worker_id("w"),
        epoch: Epoch(1),
        why: "its worker died".to_owned(),
        died: true,
        known_at: claimed.task.started_at,
    };
    for requeued in [1, 0] {
        assert_eq!(
            env.store
                .tasks
                .release_worker_tasks(&worker_gone)
                .await
                .unwrap(),
            requeued
        );
    }
    let claimed = env.claim_soon("x").await;
    env.fail(&claimed, false).await;
    let claimed = loop {
        env.sweep().await;
        if let Some(claimed) = env.claim("x").await {
            break claimed;
        }
    };
    env.fail(&claimed, true).await;
    meter.shows(&[
        (r#"shim_task_retries_total{reason="died"}"#, 1.0),
        (r#"shim_task_retries_total{reason="failed"}"#, 1.0),
        ("shim_task_requeue_delay_seconds_count", 1.0),
        (r#"shim_tasks_claimed_total{executor="chat"}"#, 3.0),
        (r#"shim_tasks_ended_total{state="failed"}"#, 1.0),
        ("shim_tasks_dead_lettered_total", 1.0),
    ]);
}

#[tokio::test]
async fn locks_and_state_count_who_got_it_and_who_came_too_late() {
    let recorder = recorder();
    let _counted = metrics::set_default_local_recorder(&recorder);
    let (meter, env) = (Meter::of(&recorder), env().await);
    let locks = &env.store.locks;
    let request = |once: IdempotencyKey, owner: &str| locks::AcquireRequest {
        idempotency_key: once,
        lock_ref: locks.lock_ref("n".to_owned(), "l".to_owned()),
        owner: owner.to_owned(),
        purpose: String::new(),
        ttl: Duration::from_secs(60),
        even_if_full: false,
    };
    let first = request(once(), "a");
    let lock = locks.acquire(&first).await.unwrap();
    locks.acquire(&first).await.unwrap();
    locks.acquire(&request(once(), "b")).await.unwrap_err();
    let stale = locks::LockOwnership {
        owner: "a".to_owned(),
        token: FencingToken(lock.fencing_token - 1),
    };
    let renewed = locks.renew(&first.lock_ref, &stale, Duration::from_secs(1));
    assert!(matches!(renewed.await, Err(Error::LockLost { .. })));

    let put = async |expected_version, token: Option<FencingToken>| {
        let request = state::WriteRequest {
            idempotency_key: once(),
            state_ref: state::StateRef {
                namespace: "n".to_owned(),
                key: "k".to_owned(),
            },
            conditions: state::Conditions {
                expected_version,
                fence: token.map(|token| Fence {
                    lock: "l".to_owned(),
                    token,
                }),
            },
            writer: "a".to_owned(),
        };
        let (value, ttl) = (Struct::default(), Duration::from_secs(60));
        env.store.state.put(&request, &value, ttl).await
    };
    let token = FencingToken(lock.fencing_token);
    put(None, Some(token)).await.unwrap();
    put(Some(7), None).await.unwrap_err();
    put(None, Some(stale.token)).await.unwrap_err();
    meter.shows(&[
        (r#"shim_locks_acquired_total{outcome="granted"}"#, 1.0),
        (r#"shim_locks_acquired_total{outcome="refused"}"#, 1.0),
        ("shim_state_conflicts_total", 1.0),
        (r#"shim_stale_writes_refused_total{what="lock"}"#, 1.0),
        (r#"shim_stale_writes_refused_total{what="state"}"#, 1.0),
    ]);
}

#[tokio::test]
async fn files_and_messages_count_once_for_a_request() {
    let recorder = recorder();
    let _counted = metrics::set_default_local_recorder(&recorder);
    let (meter, env) = (Meter::of(&recorder), env().await);
    let lease = |holder: &str| files::LeaseRequest {
        workspace: "w".to_owned(),
        spec: shim_store::domain::leases::LeaseSpec {
            holder: holder.to_owned(),
            mode: FileLeaseMode::Exclusive,
            patterns: vec![Pattern::parse("src/**").unwrap()],
        },
        purpose: String::new(),
        ttl: Duration::from_secs(60),
        fence: None,
    };
    let (acquire, send) = (once(), once());
    let inbox = SessionId::new().into();
    for _ in 0..2 {
        let leased = env.store.files.acquire(&acquire, &lease("a")).await;
        assert!(matches!(leased, Ok(files::LeaseOutcome::Leased(_))));
        let message = Message::default();
        env.store
            .inboxes
            .send(&send, inbox, &message, "me")
            .await
            .unwrap();
    }
    let held = env.store.files.acquire(&once(), &lease("b")).await;
    assert!(matches!(held, Ok(files::LeaseOutcome::Held(_))));
    let lost = env
        .store
        .files
        .renew("w", FileLeaseId::new(), "a", Duration::from_secs(1));
    lost.await.unwrap_err();
    meter.shows(&[
        (r#"shim_file_leases_total{outcome="granted"}"#, 1.0),
        (r#"shim_file_leases_total{outcome="refused"}"#, 1.0),
        (r#"shim_stale_writes_refused_total{what="files"}"#, 1.0),
        ("shim_messages_sent_total", 1.0),
    ]);
}

#[tokio::test]
async fn a_death_counts_once_with_how_late_it_was_found() {
    let recorder = recorder();
    let _counted = metrics::set_default_local_recorder(&recorder);
    let (meter, env) = (Meter::of(&recorder), env().await);
    let registry = &env.store.registry;
    let dead_after = Duration::from_millis(40);
    let worker = Worker {
        worker_id: Uuid::now_v7().to_string(),
        capacity: 1,
        ..Worker::default()
    };
    registry
        .register(&once(), worker, dead_after)
        .await
        .unwrap();
    let reaper = locks::AcquireRequest {
        idempotency_key: once(),
        lock_ref: locks::LockRef {
            slot: registry.slot().clone(),
            namespace: String::new(),
            name: "reaper".to_owned(),
        },
        owner: "test".to_owned(),
        purpose: String::new(),
        ttl: Duration::from_secs(60),
        even_if_full: true,
    };
    let lock = env.store.locks.acquire(&reaper).await.unwrap();
    let fence = Fence {
        lock: "reaper".to_owned(),
        token: FencingToken(lock.fencing_token),
    };
    while registry.reap(&fence, dead_after).await.unwrap().died == 0 {
        env.next_millisecond().await;
    }
    registry.reap(&fence, dead_after).await.unwrap();
    meter.shows(&[
        ("shim_worker_deaths_total", 1.0),
        ("shim_worker_death_detection_delay_seconds_count", 1.0),
        // A service's own lock is not counted.
        (r#"shim_locks_acquired_total{outcome="granted"}"#, 0.0),
    ]);
    let delay = meter.of_series("shim_worker_death_detection_delay_seconds_sum");
    assert!(delay >= 0.0, "{delay}");
}

#[tokio::test]
async fn a_redis_that_is_away_is_shown_as_down_and_each_call_as_failed() {
    let recorder = recorder();
    let _counted = metrics::set_default_local_recorder(&recorder);
    let (meter, mut env) = (Meter::of(&recorder), env().await);
    env.heads(&["work"], 1).await;
    meter.shows(&[("shim_redis_up", 1.0)]);
    assert!(meter.of_series("shim_redis_call_duration_seconds_count") >= 1.0);
    env.redis.kill();
    while env.store.connection.health().is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    meter.shows(&[("shim_redis_up", 0.0)]);
    let failed = r#"shim_redis_errors_total{kind="unavailable"}"#;
    let before = meter.of_series(failed);
    env.store
        .tasks
        .heads(&["work"], 1, WaitingWorkers::default())
        .await
        .unwrap_err();
    meter.shows(&[(failed, before + 1.0)]);
}
