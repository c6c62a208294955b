//! What people do to jobs with BullMQ's own methods, as the buttons of Bull Board do: removed, promoted, retried, obliterated.

use std::time::Duration;

use bullmq::{Job, JobOptions, JobState, Queue};
use serde_json::json;
use shim_proto::coordination::v1::Task;
use shim_store::Error;
use shim_store::tasks::Claimed;

use super::foreign::producer;
use super::invariants;
use super::test_store::{TestStore, graph, once, single};

async fn job(queue: &Queue, id: &str) -> Job {
    queue.get_job(id).await.unwrap().unwrap()
}

async fn until(env: &TestStore, id: &str, state: &str) -> Task {
    while env.state(id).await != state {
        env.store.tasks.follow("work").await.unwrap();
    }
    env.task(id).await
}

/// A task that a worker failed for good, and that BullMQ shows as failed.
async fn failed(env: &TestStore, queue: &Queue) -> Claimed {
    let claimed = env.claim_soon("w").await;
    env.fail(&claimed, true).await;
    env.wait_until_relayed().await;
    let id = &claimed.task.task_id;
    assert_eq!(queue.get_job_state(id).await.unwrap(), JobState::Failed);
    env.next_millisecond().await;
    claimed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_job_cancels_its_task_with_what_depends_on_it() {
    let env = TestStore::new().await;
    let queue = producer(&env).await;
    let ids = env.submit(graph(&[&[], &[0], &[]])).await;
    env.wait_until_relayed().await;
    env.next_millisecond().await;
    assert!(queue.remove(&ids[1]).await.unwrap());
    let removed = until(&env, &ids[1], "CANCELLED").await;
    assert_eq!(
        removed.error.unwrap().message,
        "its job was removed in BullMQ"
    );
    assert_eq!(env.state(&ids[2]).await, "CANCELLED");
    assert_eq!(env.state(&ids[3]).await, "READY");
    let claimed = env.claim_soon("w").await;
    assert_eq!(claimed.task.task_id, ids[3]);
    env.complete(&claimed, "done").await;
    env.wait_until_relayed().await;
    invariants::assert_hold(&env.store).await;
    invariants::assert_quiet(&env.store, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_job_that_is_removed_cancels_its_task() {
    let env = TestStore::new().await;
    let queue = producer(&env).await;
    let mut plan = single("later");
    plan.delay = Duration::from_secs(3_600);
    let ids = env.submit(plan).await;
    env.wait_until_relayed().await;
    env.next_millisecond().await;
    assert!(queue.remove(&ids[0]).await.unwrap());
    until(&env, &ids[0], "CANCELLED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_shim_removes_itself_cancels_nothing() {
    let env = TestStore::new().await;
    let ids = env.submit(graph(&[&[], &[]])).await;
    for _ in 0..3 {
        env.cancel(&ids[0]).await;
        env.retry(&ids[0]).await;
        env.store.tasks.follow("work").await.unwrap();
        assert_eq!(env.state(&ids[1]).await, "READY");
    }
    for _ in 0..2 {
        let claimed = env.claim_soon("w").await;
        env.store.tasks.follow("work").await.unwrap();
        env.complete(&claimed, "done").await;
    }
    env.wait_until_relayed().await;
    assert_eq!(env.state(&ids[0]).await, "COMPLETED");
    invariants::assert_hold(&env.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_job_is_ready_now_and_stays_so() {
    let env = TestStore::new().await;
    let queue = producer(&env).await;
    let mut plan = single("later");
    plan.delay = Duration::from_secs(3_600);
    let ids = env.submit(plan).await;
    env.wait_until_relayed().await;
    env.next_millisecond().await;
    job(&queue, &ids[0]).await.promote().await.unwrap();
    // A worker takes it before anybody read the event.
    let claimed = env.claim("w").await.unwrap();
    assert_eq!(claimed.task.task_id, ids[0]);
    // Its pause after a failure, too.
    env.fail(&claimed, false).await;
    env.wait_until_relayed().await;
    env.store.tasks.follow("work").await.unwrap();
    env.complete(&env.claim_soon("w").await, "done").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_is_seen_though_no_worker_is_there() {
    let env = TestStore::new().await;
    let queue = producer(&env).await;
    let mut plan = single("later");
    plan.delay = Duration::from_secs(3_600);
    let ids = env.submit(plan).await;
    env.wait_until_relayed().await;
    env.next_millisecond().await;
    job(&queue, &ids[0]).await.promote().await.unwrap();
    let ready = until(&env, &ids[0], "READY").await;
    assert_eq!(ready.not_before, None);
    env.sweep().await;
    env.complete(&env.claim("w").await.unwrap(), "done").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_job_retries_its_task_whoever_sees_it_first() {
    for is_followed in [true, false] {
        let env = TestStore::new().await;
        let queue = producer(&env).await;
        let ids = env.submit(graph(&[&[], &[0]])).await;
        failed(&env, &queue).await;
        assert_eq!(env.state(&ids[0]).await, "FAILED");
        job(&queue, &ids[1])
            .await
            .retry("failed", None)
            .await
            .unwrap();
        if is_followed {
            until(&env, &ids[1], "READY").await;
            env.wait_until_relayed().await;
        }
        let again = env.claim_soon("w").await;
        assert_eq!((&again.task.task_id, again.task.attempts), (&ids[1], 1));
        assert_eq!(env.state(&ids[0]).await, "RUNNING");
        env.complete(&again, "done").await;
        env.complete(&env.claim_soon("w").await, "done").await;
        env.wait_until_relayed().await;
        assert_eq!(env.state(&ids[0]).await, "COMPLETED");
        invariants::assert_hold(&env.store).await;
        invariants::assert_quiet(&env.store, &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completed_job_that_is_retried_keeps_its_result() {
    let env = TestStore::new().await;
    let queue = producer(&env).await;
    let ids = env.submit(single("one")).await;
    env.complete(&env.claim_soon("w").await, "the result").await;
    env.wait_until_relayed().await;
    let mut ended = job(&queue, &ids[0]).await;
    ended.retry("completed", None).await.unwrap();
    assert!(env.claim("w").await.is_none());
    let ended = job(&queue, &ids[0]).await;
    assert_eq!(ended.returnvalue(), "\"the result\"");
    assert_eq!(env.task(&ids[0]).await.result.unwrap().text, "the result");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_job_is_retried_as_its_owner_made_it() {
    let env = TestStore::new().await;
    let queue = producer(&env).await;
    let data = json!({"goal": "count the lines", "file": "x"});
    // BullMQ numbers such jobs, and refuses a job that is added under a number.
    let options = JobOptions::new().attempts(1);
    let made = queue
        .add("count", data.clone())
        .options(options)
        .await
        .unwrap();
    assert_eq!(made.id(), "1");
    let claimed = env.claim("w").await.unwrap();
    env.fail(&claimed, false).await;
    env.wait_until_relayed().await;
    assert_eq!(queue.get_job_state("1").await.unwrap(), JobState::Failed);

    assert_eq!(env.retry(&claimed.task.task_id).await, 1);
    env.wait_until_relayed().await;
    let waiting = job(&queue, "1").await;
    assert_eq!((waiting.data(), waiting.name()), (&data, "count"));
    let again = env.claim_soon("w").await;
    assert_eq!(again.task.task_id, claimed.task.task_id);
    env.complete(&again, "42").await;
    env.wait_until_relayed().await;
    assert_eq!(queue.get_job_state("1").await.unwrap(), JobState::Completed);
    invariants::assert_quiet(&env.store, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_owner_does_with_a_foreign_job_counts() {
    let env = TestStore::new().await;
    let queue = producer(&env).await;
    let options = || JobOptions::new().attempts(1);
    let made = queue
        .add("one", json!({}))
        .options(options())
        .await
        .unwrap();
    let claimed = env.claim("w").await.unwrap();
    let id = claimed.task.task_id.clone();
    env.fail(&claimed, false).await;
    env.wait_until_relayed().await;
    env.next_millisecond().await;

    job(&queue, made.id())
        .await
        .retry("failed", None)
        .await
        .unwrap();
    let again = env.claim_soon("w").await;
    assert_eq!(again.task.task_id, id, "it is the same task");
    env.fail(&again, false).await;
    env.wait_until_relayed().await;
    assert!(queue.remove(made.id()).await.unwrap());
    let refused = env.store.tasks.retry(&once(), &id).await.unwrap_err();
    assert_eq!(refused, Error::TaskJobGone(id));

    let made = queue
        .add("two", json!({}))
        .options(options().attempts(2))
        .await
        .unwrap();
    let claimed = env.claim_soon("w").await;
    let id = claimed.task.task_id.clone();
    env.fail(&claimed, false).await;
    env.wait_until_relayed().await;
    env.next_millisecond().await;
    assert!(queue.remove(made.id()).await.unwrap());
    env.store.tasks.follow("work").await.unwrap();
    assert_eq!(env.state(&id).await, "CANCELLED");
    env.wait_until_relayed().await;
    invariants::assert_quiet(&env.store, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completed_foreign_job_that_its_owner_runs_again_is_a_new_task() {
    let env = TestStore::new().await;
    let queue = producer(&env).await;
    let made = queue.add("one", json!({})).await.unwrap();
    let first = env.claim("w").await.unwrap();
    env.complete(&first, "one").await;
    env.wait_until_relayed().await;
    job(&queue, made.id())
        .await
        .retry("completed", None)
        .await
        .unwrap();
    let second = env.claim_soon("w").await;
    assert_ne!(second.task.task_id, first.task.task_id);
    env.complete(&second, "two").await;
    env.wait_until_relayed().await;
    assert_eq!(job(&queue, made.id()).await.returnvalue(), "\"two\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_under_an_id_used_before_is_a_new_task() {
    let env = TestStore::new().await;
    let queue = producer(&env).await;
    queue.add("first", json!({"goal": "first"})).await.unwrap();
    queue.add("waits", json!({"goal": "waits"})).await.unwrap();
    let first = env.claim("w").await.unwrap();
    let waiting = env.claim("w").await.unwrap();
    env.complete(&first, "done").await;
    env.fail(&waiting, false).await;
    env.wait_until_relayed().await;

    queue.pause().await.unwrap();
    queue.obliterate(true, 1_000).await.unwrap();
    env.next_millisecond().await;
    let again = queue.add("again", json!({"goal": "again"})).await.unwrap();
    assert_eq!(again.id(), "1", "the ids begin anew");
    let second = env.claim_soon("w").await;
    assert_eq!(second.task.goal, "again");
    // What is left of the old tasks touches the new job no more.
    while env.state(&waiting.task.task_id).await != "CANCELLED" {
        env.store.tasks.follow("work").await.unwrap();
        env.sweep().await;
    }
    let forgetful = shim_store::tasks::SweepConfig {
        keep: Duration::ZERO,
        ..super::test_store::patient()
    };
    while env.store.tasks.sweep(&forgetful).await.unwrap().forgotten > 0 {}
    env.complete(&second, "done again").await;
    env.wait_until_relayed().await;
    let done = job(&queue, "1").await;
    assert_eq!(
        (done.name(), done.returnvalue()),
        ("again", "\"done again\"")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn shims_own_tasks_come_back_after_a_queue_was_emptied() {
    let env = TestStore::new().await;
    let queue = producer(&env).await;
    let ids = env.submit(single("one")).await;
    env.wait_until_relayed().await;
    queue.pause().await.unwrap();
    queue.obliterate(true, 1_000).await.unwrap();
    let claimed = loop {
        env.sweep().await;
        if let Some(claimed) = env.claim("w").await {
            break claimed;
        }
    };
    assert_eq!(claimed.task.task_id, ids[0]);
}
