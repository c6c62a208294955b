//! BullMQ's own producer, worker and QueueEvents, in Node, beside SHIM's.

use std::collections::BTreeMap;
use std::time::Duration;

use prost_types::value::Kind;
use serde_json::json;
use shim_proto::coordination::v1::{
    AggregateResultsRequest, CancelTaskRequest, FailurePolicy, GetTaskRequest, RetryTaskRequest,
    SubmitTaskRequest, Task, TaskState,
};
use shim_redis_harness::Redis;
use shim_tests::calls::request_id;
use shim_tests::coordination::span;
use shim_tests::node;
use shim_tests::place::Place;
use shim_tests::service::{Launch, Service};
use shim_tests::tasks::{PREFIX, QUEUE, TaskClients, job, subtask};

const WAIT: Duration = Duration::from_secs(20);

/// A stack on a Redis that others use too.
struct Stage {
    clients: TaskClients,
    queue: node::Place,
    _stack: Service,
    _redis: Redis,
    _place: Place,
}

impl Stage {
    async fn set() -> Self {
        let place = Place::new();
        let redis = Redis::start();
        let stack = Launch::stack(&place.data_dir(), &redis.url());
        let stack = stack.started().await;
        Self {
            clients: stack.tasks(),
            queue: node::Place::new(&redis.url(), PREFIX, QUEUE),
            _stack: stack,
            _redis: redis,
            _place: place,
        }
    }

    /// The subtasks of a job by key.
    async fn parts(&mut self, root_id: &str) -> BTreeMap<String, Task> {
        let request = GetTaskRequest {
            task_id: root_id.into(),
            with_subtasks: true,
        };
        let answer = self.clients.jobs.get_task(request).await.unwrap();
        let parts = answer.into_inner().subtasks;
        parts
            .into_iter()
            .map(|part| (part.key.clone(), part))
            .collect()
    }
}

/// Two subtasks, the second of which waits for the first.
fn chain() -> SubmitTaskRequest {
    SubmitTaskRequest {
        kind: "rhyme".into(),
        subtasks: vec![subtask("first", &[]), subtask("second", &["first"])],
        max_attempts: 2,
        backoff: span(Duration::from_millis(50)),
        ..job("two steps")
    }
}

fn text(task: &Task) -> &str {
    task.result.as_ref().map_or("", |result| &result.text)
}

#[tokio::test]
async fn a_producer_in_node_gets_what_a_worker_of_shim_made_of_its_job() {
    let mut stage = Stage::set().await;
    let mut producer = stage.queue.start("producer.mjs", &[]);
    let worker = stage.clients.join("shim's", 1).await.unwrap();
    let data = json!({"goal": "greet the world", "payload": {"loud": true}});
    producer
        .order(&json!({"name": "greeting", "data": data}))
        .await;
    let added = producer.next().await["added"].clone();

    let claim = stage.clients.claim(&worker, WAIT).await.unwrap().unwrap();
    assert_eq!(claim.task.goal, "greet the world");
    let loud = &claim.task.payload.as_ref().unwrap().fields["loud"];
    assert_eq!(loud.kind, Some(Kind::BoolValue(true)));
    assert_eq!(claim.task.root_id, claim.task.task_id, "it is a job");
    stage.clients.complete(&claim, "HELLO").await.unwrap();
    assert_eq!(
        producer.next().await,
        json!({"id": added, "returned": "HELLO"})
    );
    let done = stage.clients.task(&claim.task.task_id).await.unwrap();
    assert_eq!(done.state(), TaskState::Completed);
}

#[tokio::test]
async fn a_job_without_a_goal_is_known_by_its_name_and_its_failure_is_told() {
    let mut stage = Stage::set().await;
    let mut producer = stage.queue.start("producer.mjs", &[]);
    let worker = stage.clients.join("shim's", 1).await.unwrap();
    let order = json!({"name": "send mail", "data": {"to": "ada"}, "opts": {"attempts": 1}});
    producer.order(&order).await;
    let added = producer.next().await["added"].clone();

    let claim = stage.clients.claim(&worker, WAIT).await.unwrap().unwrap();
    assert_eq!(claim.task.goal, "send mail");
    let to = &claim.task.payload.as_ref().unwrap().fields["to"];
    assert_eq!(to.kind, Some(Kind::StringValue("ada".into())));
    let failed = stage
        .clients
        .fail(&claim, "no stamps left", true)
        .await
        .unwrap();
    assert_eq!(failed.state(), TaskState::Failed);
    let told = producer.next().await;
    assert_eq!(told["id"], added);
    let reason = told["failed"].as_str().unwrap();
    assert!(reason.contains("no stamps left"), "{told}");
}

#[tokio::test]
async fn a_worker_in_node_does_a_job_of_shim_step_by_step() {
    let mut stage = Stage::set().await;
    let mut worker = stage.queue.worker(&[]).await;
    let job = stage.clients.submit(chain()).await.unwrap();
    let root_id = job.task.unwrap().task_id;

    for (part, goal) in job.subtasks.iter().zip(["do first", "do second"]) {
        let active = worker.until(|told| told.get("active").is_some()).await;
        assert_eq!(active["active"], json!(part.task_id), "the job's id");
        assert_eq!(active["name"], "rhyme");
        let data = &active["data"];
        assert_eq!(data["task_id"], json!(part.task_id));
        assert_eq!(data["root_id"], json!(root_id));
        assert_eq!(data["goal"], goal);
    }
    let root = stage.clients.ended(&root_id).await.unwrap();
    assert_eq!(root.state(), TaskState::Completed);
    let request = AggregateResultsRequest {
        task_id: root_id,
        ..Default::default()
    };
    let merged = stage.clients.jobs.aggregate_results(request).await.unwrap();
    let merged = merged.into_inner();
    assert!(merged.complete);
    let merged = merged.result.unwrap().text;
    let (first, second) = (
        merged.find("done: do first"),
        merged.find("done: do second"),
    );
    assert!(first.is_some() && first < second, "{merged}");
}

#[tokio::test]
async fn an_object_returned_in_node_is_the_data_of_the_result() {
    let mut stage = Stage::set().await;
    let _worker = stage.queue.worker(&["--object"]).await;
    let job = stage.clients.submit(job("count")).await.unwrap();
    let done = stage
        .clients
        .ended(&job.task.unwrap().task_id)
        .await
        .unwrap();
    assert_eq!(done.state(), TaskState::Completed);
    let data = done.result.unwrap().data.unwrap();
    assert_eq!(
        data.fields["goal"].kind,
        Some(Kind::StringValue("count".into()))
    );
    assert_eq!(data.fields["attempt"].kind, Some(Kind::NumberValue(1.0)));
}

#[tokio::test]
async fn a_worker_in_node_may_fail_as_often_as_the_task_allows() {
    let mut stage = Stage::set().await;
    let mut unlucky = stage.queue.worker(&["--failures", "9"]).await;
    let mut request = chain();
    request.on_failure = FailurePolicy::Continue.into();
    let job = stage.clients.submit(request).await.unwrap();
    let root_id = job.task.unwrap().task_id;
    let root = stage.clients.ended(&root_id).await.unwrap();
    assert_eq!(root.state(), TaskState::Failed);

    let parts = stage.parts(&root_id).await;
    let (first, second) = (&parts["first"], &parts["second"]);
    assert_eq!(first.state(), TaskState::Failed);
    assert_eq!(first.attempts, 2);
    let why = first.error.clone().unwrap().message;
    assert!(why.contains("attempt 2 was out of luck"), "{why}");
    assert_eq!(second.state(), TaskState::Cancelled);
    assert_eq!(second.error.clone().unwrap().reason, "DEPENDENCY_FAILED");

    // Out of the dead letter, with a worker that has more luck.
    unlucky.kill().await;
    let _lucky = stage.queue.worker(&[]).await;
    let request = RetryTaskRequest {
        request_id: request_id(),
        task_id: root_id.clone(),
    };
    let retried = stage.clients.jobs.retry_task(request).await.unwrap();
    assert_eq!(retried.into_inner().retried, 2);
    let root = stage.clients.ended(&root_id).await.unwrap();
    assert_eq!(root.state(), TaskState::Completed);
    let second = &stage.parts(&root_id).await["second"];
    let second = stage.clients.task(&second.task_id).await.unwrap();
    assert_eq!(text(&second), "done: do second");
}

#[tokio::test]
async fn a_task_that_hangs_in_node_can_be_called_off() {
    let mut stage = Stage::set().await;
    let mut worker = stage.queue.worker(&["--hang"]).await;
    let job = stage.clients.submit(job("wait for rain")).await.unwrap();
    let task_id = job.task.unwrap().task_id;
    worker.until(|told| told["active"] == json!(task_id)).await;
    let request = CancelTaskRequest {
        request_id: request_id(),
        task_id: task_id.clone(),
        reason: "it is dry season".into(),
    };
    let cancelled = stage.clients.jobs.cancel_task(request).await.unwrap();
    assert_eq!(cancelled.into_inner().cancelled, 1);
    let task = stage.clients.ended(&task_id).await.unwrap();
    assert_eq!(task.state(), TaskState::Cancelled);
}

#[tokio::test]
async fn an_observer_in_node_sees_what_becomes_of_the_tasks_of_shim() {
    let mut stage = Stage::set().await;
    let mut observer = stage.queue.start("observer.mjs", &[]);
    let worker = stage.clients.join("shim's", 1).await.unwrap();
    let mut ids = Vec::new();
    for goal in ["succeed", "fail"] {
        let job = stage.clients.submit(job(goal)).await.unwrap();
        let claim = stage.clients.claim(&worker, WAIT).await.unwrap().unwrap();
        assert_eq!(claim.task.task_id, job.task.unwrap().task_id);
        match goal {
            "succeed" => stage.clients.complete(&claim, "done").await.unwrap(),
            _ => stage.clients.fail(&claim, "no luck", true).await.unwrap(),
        };
        ids.push(claim.task.task_id);
    }
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    loop {
        let told = observer.next().await;
        let (id, event) = (told["jobId"].as_str(), told["event"].as_str());
        let of_job = seen.entry(id.unwrap().to_owned()).or_default();
        of_job.push(event.unwrap().to_owned());
        if event == Some("failed") {
            let reason = told["failedReason"].as_str().unwrap();
            assert!(reason.contains("no luck"), "{told}");
            break;
        }
    }
    for (id, end) in ids.iter().zip(["completed", "failed"]) {
        let told = seen[id].iter().filter(|event| *event != "waiting");
        let told: Vec<_> = told.collect();
        assert_eq!(told, ["added", "active", end], "{seen:?}");
    }
}
