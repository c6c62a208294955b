//! Programs that know BullMQ and nothing of SHIM: they add jobs, and process them.

use std::time::Duration;

use bullmq::options::RedisConnectionOptions;
use bullmq::worker::CancellationToken;
use bullmq::{Job, JobOptions, Queue, QueueOptions, Worker, WorkerOptions};
use serde_json::json;
use shim_proto::coordination::v1::{ApprovalGates, Task};

use super::house::{House, graph, once, single};
use super::laws;

const PREFIX: &str = "{shim.tasks}";

fn connection(house: &House) -> RedisConnectionOptions {
    RedisConnectionOptions::new().url(house.redis.url())
}

pub(crate) async fn producer(house: &House) -> Queue {
    let options = QueueOptions::new()
        .connection(connection(house))
        .prefix(PREFIX);
    Queue::with_options("work", options).await.unwrap()
}

/// A worker that does this with every job.
async fn worker<F>(house: &House, work: F) -> Worker
where
    F: Fn(Job) -> Result<serde_json::Value, bullmq::Error> + Send + Sync + Clone + 'static,
{
    let options = WorkerOptions::new()
        .connection(connection(house))
        .prefix(PREFIX);
    let work = move |job: Job, _: CancellationToken| {
        let outcome = work(job);
        async move { outcome }
    };
    Worker::with_options("work", work, options).await.unwrap()
}

/// Follows and sweeps until a task is as it should be.
async fn until(house: &House, id: &str, is_so: impl Fn(&Task) -> bool) -> Task {
    let since = std::time::Instant::now();
    loop {
        house.store.tasks.follow("work").await.unwrap();
        house.sweep().await;
        let task = house.task(id).await;
        if is_so(&task) {
            return task;
        }
        assert!(since.elapsed() < Duration::from_secs(15), "{task:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_another_producer_is_a_task() {
    let house = House::new().await;
    let queue = producer(&house).await;
    let data = json!({"goal": "count the lines", "payload": {"file": "x"}});
    let options = JobOptions::new().attempts(2);
    let job = queue.add("count", data).options(options).await.unwrap();
    let claimed = house.claim("w").await.unwrap();
    let task = &claimed.task;
    assert_eq!(
        (task.goal.as_str(), task.kind.as_str()),
        ("count the lines", "count")
    );
    assert_eq!(task.max_attempts, 2);
    assert_eq!(task.payload.as_ref().unwrap().fields.len(), 1);

    // Tried again, it is the same task.
    house.fail(&claimed, false).await;
    house.carried_over().await;
    let again = house.claim_soon("w").await;
    assert_eq!(again.task.task_id, task.task_id);
    house.complete(&again, "42").await;
    house.carried_over().await;
    assert_eq!(
        queue.get_job_state(job.id()).await.unwrap(),
        bullmq::JobState::Completed
    );
    let seen = queue.get_job(job.id()).await.unwrap().unwrap();
    assert_eq!(seen.returnvalue(), "\"42\"");
    laws::are_quiet(&house.store, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_worker_completes_a_job_of_tasks() {
    let house = House::new().await;
    let ids = house.submit(graph(&[&[], &[0]])).await;
    let worker = worker(&house, |job| Ok(json!({"did": job.data()["goal"]}))).await;
    until(&house, &ids[0], laws::is_over).await;
    let part = house.task(&ids[2]).await;
    assert_eq!(part.worker_id, "bullmq");
    assert!(
        part.result
            .unwrap()
            .data
            .unwrap()
            .fields
            .contains_key("did")
    );
    laws::hold(&house.store).await;
    worker.close(1_000).await.unwrap();
    house.carried_over().await;
    laws::are_quiet(&house.store, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_worker_fails_after_all_attempts_and_a_retry_is_a_new_chance() {
    let house = House::new().await;
    let ids = house.submit(single("one")).await;
    let broken = |_: Job| Err(bullmq::Error::ProcessingError("it broke".to_owned()));
    let other = worker(&house, broken).await;
    let task = until(&house, &ids[0], laws::is_over).await;
    assert_eq!(task.error.unwrap().message, "it broke");
    other.close(1_000).await.unwrap();

    house.retry(&ids[0]).await;
    // What happened before the retry is told once more, and means nothing.
    house.store.tasks.follow("work").await.unwrap();
    let claimed = house.claim_soon("w").await;
    house.complete(&claimed, "done").await;
    laws::hold(&house.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_worker_did_waits_for_its_approval_too() {
    let house = House::new().await;
    let mut plan = single("one");
    plan.root.approval = Some(ApprovalGates {
        before_start: false,
        before_result: true,
    });
    let ids = house.submit(plan).await;
    let worker = worker(&house, |_| Ok(json!("done"))).await;
    let is_waiting = |task: &Task| task.state().as_str_name().ends_with("APPROVAL");
    until(&house, &ids[0], is_waiting).await;
    worker.close(1_000).await.unwrap();
    let once = once();
    let approved = house.store.tasks.approve(&once, &ids[0], false, "");
    assert!(laws::is_over(&approved.await.unwrap()));
    assert_eq!(house.task(&ids[0]).await.result.unwrap().text, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_shim_did_itself_is_not_taken_for_anothers_work() {
    let house = House::new().await;
    let ids = house.submit(single("one")).await;
    for _ in 0..3 {
        let claimed = house.claim_soon("w").await;
        let (id, lease) = (&claimed.task.task_id, claimed.lease);
        let once = once();
        house
            .store
            .tasks
            .release(&once, id, lease, "")
            .await
            .unwrap();
        house.carried_over().await;
    }
    house.cancel(&ids[0]).await;
    house.retry(&ids[0]).await;
    house.store.tasks.follow("work").await.unwrap();
    assert_eq!(house.state(&ids[0]).await, "READY");
    let claimed = house.claim_soon("w").await;
    house.store.tasks.follow("work").await.unwrap();
    assert_eq!(house.task(&ids[0]).await.worker_id, "w");
    house.complete(&claimed, "done").await;
    house.carried_over().await;
    house.store.tasks.follow("work").await.unwrap();
    laws::hold(&house.store).await;
    laws::are_quiet(&house.store, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_a_process_took_and_died_with_is_put_back() {
    let house = House::new().await;
    let queue = producer(&house).await;
    let job = queue.add("count", json!({})).await.unwrap();
    let ids = house.submit(single("one")).await;
    // What a process of SHIM does first, and nothing after it.
    let options = WorkerOptions::new()
        .connection(connection(&house))
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
    assert!(house.claim("w").await.is_none());
    for id in [job.id(), &ids[0]] {
        let key = format!("{PREFIX}:work:{id}");
        house
            .redis
            .ask(&["HSET", &key, "processedOn", "1"])
            .unwrap();
    }
    house.store.tasks.trim("work").await.unwrap();
    let (first, second) = (house.claim_soon("w").await, house.claim_soon("w").await);
    assert_eq!(
        (first.task.kind.as_str(), second.task.task_id),
        ("count", ids[0].clone())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_program_died_with_goes_to_others_though_nobody_of_its_kind_is_left() {
    let house = House::new().await;
    let ids = house.submit(single("one")).await;
    let options = WorkerOptions::new()
        .connection(connection(&house))
        .prefix(PREFIX)
        .manual_start();
    let never = async |_: Job, _: CancellationToken| Ok(json!(null));
    let dying = Worker::with_options("work", never, options).await.unwrap();
    let taken = dying.get_next_job_nonblocking("theirs").await.unwrap();
    assert_eq!(taken.unwrap().id(), ids[0]);
    until(&house, &ids[0], |task| task.worker_id == "bullmq").await;
    let key = format!("{PREFIX}:work:{}", ids[0]);
    let ask = |command: &[&str]| house.redis.ask(command).unwrap();
    ask(&["HSET", &key, "processedOn", "1"]);

    house.store.tasks.trim("work").await.unwrap();
    assert_eq!(house.state(&ids[0]).await, "RUNNING");
    // Its lock ran out.
    ask(&["DEL", &format!("{key}:lock")]);
    house.store.tasks.trim("work").await.unwrap();
    let claimed = house.claim_soon("w").await;
    assert_eq!((claimed.task.worker_deaths, claimed.task.attempts), (1, 1));
    house.complete(&claimed, "done").await;
    house.carried_over().await;
    laws::hold(&house.store).await;
    laws::are_quiet(&house.store, &[]).await;
}
