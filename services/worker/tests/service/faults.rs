//! What goes wrong around a claim: the service stops, Redis is away, the worker is not what it was.

use std::time::{Duration, Instant};

use shim_proto::coordination::v1::*;
use shim_redis_harness::{Launch, Redis};
use tonic::Code;

use super::chat_worker::{ChatWorker, registration};
use super::test_stack::{TestStack, id, job, refusal, within};

const STALE_WORKER: &str = "STALE_WORKER";

/// Nothing observable shows that a call waits in the service.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(150)).await;
}

#[tokio::test]
async fn a_waiting_worker_learns_that_the_service_stops() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let chat = ChatWorker::at(&stack).await;
    let (refused, ()) = tokio::join!(chat.claim(20_000), async {
        a_moment().await;
        stack.begin_stop();
    });
    assert_eq!(refusal(refused), (Code::Unavailable, "STOPPING".into()));
    drop(chat);
    stack.stop().await;
}

#[tokio::test]
async fn who_waits_waits_on_while_redis_is_away() {
    let mut redis = Launch::new().setting("appendfsync", "always").start();
    let stack = TestStack::on(&redis).await;
    let (waiting, late) = (ChatWorker::at(&stack).await, ChatWorker::at(&stack).await);
    let (claim, task) = tokio::join!(waiting.take(), async {
        a_moment().await;
        redis.kill();
        let begun = Instant::now();
        let refused = refusal(late.claim(20_000).await);
        assert_eq!(refused, (Code::Unavailable, "STORE_UNAVAILABLE".into()));
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{:?}",
            begun.elapsed()
        );
        redis.restart();
        within(async {
            loop {
                let submitted = stack.tasks.clone().submit_task(job("after all")).await;
                if let Ok(submitted) = submitted {
                    return submitted.into_inner().task.unwrap();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
    });
    assert_eq!(claim.task.task_id, task.task_id);
}

#[tokio::test]
async fn an_older_incarnation_gets_nothing_and_loses_what_it_had() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let request = RegisterWorkerRequest {
        capacity: 2,
        ..registration(&[], 2)
    };
    let old = ChatWorker::with(&stack, request.clone()).await;
    let task = stack.submit(job("begun by the old")).await;
    let claim = old.take().await;
    let (refused, new) = tokio::join!(old.claim(20_000), async {
        a_moment().await;
        let again = RegisterWorkerRequest {
            request_id: id(),
            ..request
        };
        let new = ChatWorker::with(&stack, again).await;
        // The supervisor takes it from the old one, and the old one still waits.
        stack
            .when(&task.task_id, |task| task.worker_deaths == 1)
            .await;
        new
    });
    assert_eq!(refusal(refused).1, STALE_WORKER);
    assert_eq!(
        refusal(old.claim(0).await),
        (Code::FailedPrecondition, STALE_WORKER.into())
    );
    assert_eq!(refusal(old.complete(&claim, "old").await).1, "STALE_LEASE");
    let again = new.take().await;
    assert_eq!(again.task.task_id, task.task_id);
    new.complete(&again, "new").await.unwrap();
    assert_eq!(stack.get(&task.task_id).await.result.unwrap().text, "new");
}

fn millis(at: Option<prost_types::Timestamp>) -> i64 {
    let at = at.unwrap();
    at.seconds * 1_000 + i64::from(at.nanos) / 1_000_000
}

async fn worker(stack: &TestStack, worker_id: &str) -> Worker {
    let request = GetWorkerRequest {
        worker_id: worker_id.to_owned(),
    };
    let found = stack.registry.clone().get_worker(request).await.unwrap();
    found.into_inner().worker.unwrap()
}

#[tokio::test]
async fn what_a_dead_worker_had_goes_to_another_within_a_second() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let (mortal, heir) = (ChatWorker::at(&stack).await, ChatWorker::at(&stack).await);
    let task = stack.submit(job("survives")).await;
    let claim = mortal.take().await;
    mortal.freeze();
    let again = heir.take().await;
    assert_eq!(again.task.task_id, task.task_id);
    assert_eq!((again.task.worker_deaths, again.task.attempts), (1, 1));
    let dead = worker(&stack, mortal.id()).await;
    assert_eq!(dead.state(), WorkerState::Dead);
    let late = millis(again.task.started_at) - millis(dead.due_at);
    assert!(
        (0..1_000).contains(&late),
        "{late} ms after the death was known"
    );
    assert_eq!(
        refusal(mortal.complete(&claim, "late").await).1,
        "STALE_LEASE"
    );
    assert_eq!(refusal(mortal.claim(0).await).1, STALE_WORKER);
}

#[tokio::test]
async fn what_a_worker_had_that_leaves_goes_on_at_once() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let (leaver, heir) = (ChatWorker::at(&stack).await, ChatWorker::at(&stack).await);
    stack.submit(job("goes on")).await;
    leaver.take().await;
    let begun = Instant::now();
    let (again, ()) = tokio::join!(heir.take(), leaver.deregister());
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!((again.task.worker_deaths, again.task.attempts), (0, 1));
}

#[tokio::test]
async fn a_worker_that_drains_gets_nothing_new() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let chat = ChatWorker::at(&stack).await;
    chat.freeze();
    let beat = HeartbeatRequest {
        worker_id: chat.id().to_owned(),
        epoch: chat.worker.epoch,
        state: WorkerState::Draining.into(),
        ..Default::default()
    };
    stack.registry.clone().heartbeat(beat).await.unwrap();
    assert_eq!(
        refusal(chat.claim(0).await),
        (Code::FailedPrecondition, STALE_WORKER.into())
    );
}

#[tokio::test]
async fn a_worker_that_is_unfit_by_its_own_word_gets_nothing_until_its_time() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let chat = ChatWorker::at(&stack).await;
    chat.freeze();
    let task = stack.submit(job("one")).await;
    let at = |ahead: i64| prost_types::Timestamp {
        seconds: std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64 + ahead,
        nanos: 0,
    };
    let beat = |unfit_until| HeartbeatRequest {
        worker_id: chat.id().to_owned(),
        epoch: chat.worker.epoch,
        health: WorkerHealth::Unhealthy.into(),
        detail: "the weekly limit is reached".to_owned(),
        unfit_until,
        ..Default::default()
    };
    for until in [None, Some(at(3_600))] {
        let mut registry = stack.registry.clone();
        registry.heartbeat(beat(until)).await.unwrap();
        let refused = chat.claim(0).await.unwrap_err();
        assert!(refused.message().contains("the weekly limit"), "{refused}");
        assert_eq!(
            refusal::<()>(Err(refused)),
            (Code::FailedPrecondition, STALE_WORKER.into())
        );
    }
    stack
        .registry
        .clone()
        .heartbeat(beat(Some(at(-1))))
        .await
        .unwrap();
    assert_eq!(chat.take().await.task.task_id, task.task_id);
}
