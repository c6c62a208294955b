//! Programs that know BullMQ and nothing of SHIM: they add jobs, and process them.

use std::time::Duration;

use bullmq::options::RedisConnectionOptions;
use bullmq::worker::CancellationToken;
use bullmq::{Job, JobOptions, Queue, QueueOptions, Worker, WorkerOptions};
use serde_json::json;
use shim_proto::coordination::v1::{ApprovalGates, Task};

use super::invariants;
use super::test_store::{TestStore, graph, once, single, worker_id};

const PREFIX: &str = "{shim.tasks}";

fn connection(env: &TestStore) -> RedisConnectionOptions {
    RedisConnectionOptions::new().url(env.redis.url())
}

pub(crate) async fn producer(env: &TestStore) -> Queue {
    let options = QueueOptions::new()
        .connection(connection(env))
        .prefix(PREFIX);
    Queue::with_options("work", options).await.unwrap()
}

/// A worker that does this with every job.
async fn worker<F>(env: &TestStore, work: F) -> Worker
where
    F: Fn(Job) -> Result<serde_json::Value, bullmq::Error> + Send + Sync + Clone + 'static,
{
    let options = WorkerOptions::new()
        .connection(connection(env))
        .prefix(PREFIX);
    let work = move |job: Job, _: CancellationToken| {
        let outcome = work(job);
        async move { outcome }
    };
    Worker::with_options("work", work, options).await.unwrap()
}

/// Follows and sweeps until a task is as it should be.
async fn until(env: &TestStore, id: &str, is_so: impl Fn(&Task) -> bool) -> Task {
    let since = std::time::Instant::now();
    loop {
        env.store.tasks.follow("work").await.unwrap();
        env.sweep().await;
        let task = env.task(id).await;
        if is_so(&task) {
            return task;
        }
        assert!(since.elapsed() < Duration::from_secs(15), "{task:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_another_producer_is_a_task() {
    let env = TestStore::new().await;
    let queue = producer(&env).await;
    let data = json!({"goal": "count the lines", "payload": {"file": "x"}});
    let options = JobOptions::new().attempts(2);
    let job = queue.add("count", data).options(options).await.unwrap();
    let claimed = env.claim("w").await.unwrap();
    let task = &claimed.task;
    assert_eq!(
        (task.goal.as_str(), task.kind.as_str()),
        ("count the lines", "count")
    );
    assert_eq!(task.max_attempts, 2);
    assert_eq!(task.payload.as_ref().unwrap().fields.len(), 1);

    // Tried again, it is the same task.
    env.fail(&claimed, false).await;
    env.wait_until_relayed().await;
    let again = env.claim_soon("w").await;
    assert_eq!(again.task.task_id, task.task_id);
    env.complete(&again, "42").await;
    env.wait_until_relayed().await;
    assert_eq!(
        queue.get_job_state(job.id()).await.unwrap(),
        bullmq::JobState::Completed
    );
    let seen = queue.get_job(job.id()).await.unwrap().unwrap();
    assert_eq!(seen.returnvalue(), "\"42\"");
    invariants::assert_quiet(&env.store, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_worker_completes_a_job_of_tasks() {
    let env = TestStore::new().await;
    let ids = env.submit(graph(&[&[], &[0]])).await;
    let worker = worker(&env, |job| Ok(json!({"did": job.data()["goal"]}))).await;
    until(&env, &ids[0], invariants::is_over).await;
    let part = env.task(&ids[2]).await;
    assert_eq!(part.worker_id, "bullmq");
    assert!(
        part.result
            .unwrap()
            .data
            .unwrap()
            .fields
            .contains_key("did")
    );
    invariants::assert_hold(&env.store).await;
    worker.close(1_000).await.unwrap();
    env.wait_until_relayed().await;
    invariants::assert_quiet(&env.store, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_worker_fails_after_all_attempts_and_a_retry_is_a_new_chance() {
    let env = TestStore::new().await;
    let ids = env.submit(single("one")).await;
    let broken = |_: Job| Err(bullmq::Error::ProcessingError("it broke".to_owned()));
    let other = worker(&env, broken).await;
    let task = until(&env, &ids[0], invariants::is_over).await;
    assert_eq!(task.error.unwrap().message, "it broke");
    other.close(1_000).await.unwrap();

    env.retry(&ids[0]).await;
    // BullMQ's event from before the retry arrives once more, and means nothing.
    env.store.tasks.follow("work").await.unwrap();
    let claimed = env.claim_soon("w").await;
    env.complete(&claimed, "done").await;
    invariants::assert_hold(&env.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_worker_did_waits_for_its_approval_too() {
    let env = TestStore::new().await;
    let mut plan = single("one");
    plan.root.approval = Some(ApprovalGates {
        before_start: false,
        before_result: true,
    });
    let ids = env.submit(plan).await;
    let worker = worker(&env, |_| Ok(json!("done"))).await;
    let is_waiting = |task: &Task| task.state().as_str_name().ends_with("APPROVAL");
    until(&env, &ids[0], is_waiting).await;
    worker.close(1_000).await.unwrap();
    let once = once();
    let approved = env.store.tasks.approve(&once, &ids[0], false, "");
    assert!(invariants::is_over(&approved.await.unwrap()));
    assert_eq!(env.task(&ids[0]).await.result.unwrap().text, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_shim_did_itself_is_not_taken_for_anothers_work() {
    let env = TestStore::new().await;
    let ids = env.submit(single("one")).await;
    for _ in 0..3 {
        let claimed = env.claim_soon("w").await;
        let (id, lease) = (&claimed.task.task_id, claimed.lease);
        let once = once();
        env.store.tasks.release(&once, id, lease, "").await.unwrap();
        env.wait_until_relayed().await;
    }
    env.cancel(&ids[0]).await;
    env.retry(&ids[0]).await;
    env.store.tasks.follow("work").await.unwrap();
    assert_eq!(env.state(&ids[0]).await, "READY");
    let claimed = env.claim_soon("w").await;
    env.store.tasks.follow("work").await.unwrap();
    assert_eq!(
        env.task(&ids[0]).await.worker_id,
        worker_id("w").to_string()
    );
    env.complete(&claimed, "done").await;
    env.wait_until_relayed().await;
    env.store.tasks.follow("work").await.unwrap();
    invariants::assert_hold(&env.store).await;
    invariants::assert_quiet(&env.store, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_a_process_took_and_died_with_is_put_back() {
    let env = TestStore::new().await;
    let queue = producer(&env).await;
    let job = queue.add("count", json!({})).await.unwrap();
    let ids = env.submit(single("one")).await;
    // What a process of SHIM does first, and nothing after it.
    let options = WorkerOptions::new()
        .connection(connection(&env))
        .prefix(PREFIX)
        .manual_start();
    let never = async |_: Job, _: CancellationToken| Ok(json!(null));
    let dying = Worker::with_options("work", never, options).await.unwrap();
    for _ in 0..2 {
        assert!(
            dying
                .get_next_job_nonblocking("shim")
                .await
                .unwrap()
                .is_some()
        );
    }
    assert!(env.claim("w").await.is_none());
    for id in [job.id(), &ids[0]] {
        let key = format!("{PREFIX}:work:{id}");
        env.redis
            .command(&["HSET", &key, "processedOn", "1"])
            .unwrap();
    }
    env.store.tasks.trim("work").await.unwrap();
    let (first, second) = (env.claim_soon("w").await, env.claim_soon("w").await);
    assert_eq!(
        (first.task.kind.as_str(), second.task.task_id),
        ("count", ids[0].clone())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_program_died_with_goes_to_others_though_nobody_of_its_kind_is_left() {
    let env = TestStore::new().await;
    let ids = env.submit(single("one")).await;
    let options = WorkerOptions::new()
        .connection(connection(&env))
        .prefix(PREFIX)
        .manual_start();
    let never = async |_: Job, _: CancellationToken| Ok(json!(null));
    let dying = Worker::with_options("work", never, options).await.unwrap();
    let taken = dying.get_next_job_nonblocking("theirs").await.unwrap();
    assert_eq!(taken.unwrap().id(), ids[0]);
    until(&env, &ids[0], |task| task.worker_id == "bullmq").await;
    let key = format!("{PREFIX}:work:{}", ids[0]);
    let command = |command: &[&str]| env.redis.command(command).unwrap();
    command(&["HSET", &key, "processedOn", "1"]);

    env.store.tasks.trim("work").await.unwrap();
    assert_eq!(env.state(&ids[0]).await, "RUNNING");
    // Its lock ran out.
    command(&["DEL", &format!("{key}:lock")]);
    env.store.tasks.trim("work").await.unwrap();
    let claimed = env.claim_soon("w").await;
    assert_eq!((claimed.task.worker_deaths, claimed.task.attempts), (1, 1));
    env.complete(&claimed, "done").await;
    env.wait_until_relayed().await;
    invariants::assert_hold(&env.store).await;
    invariants::assert_quiet(&env.store, &[]).await;
}
