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
use shim_tests::coordination::proto_duration;
use shim_tests::node;
use shim_tests::service::{Launch, Service};
use shim_tests::tasks::{PREFIX, QUEUE, TaskClients, job, subtask};
use shim_tests::temp_env::TempEnv;

pub(super) const WAIT: Duration = Duration::from_secs(20);

/// A stack on a Redis that others use too.
pub(super) struct TestEnv {
    pub(super) clients: TaskClients,
    pub(super) queue: node::BullmqQueues,
    _stack: Service,
    _redis: Redis,
    _temp: TempEnv,
}

impl TestEnv {
    pub(super) async fn start() -> Self {
        let temp = TempEnv::new();
        let redis = Redis::start();
        let stack = Launch::stack(&temp.data_dir(), &redis.url());
        let stack = stack.start_or_panic().await;
        Self {
            clients: stack.tasks(),
            queue: node::BullmqQueues::new(&redis.url(), PREFIX, QUEUE),
            _stack: stack,
            _redis: redis,
            _temp: temp,
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
        backoff: proto_duration(Duration::from_millis(50)),
        ..job("two steps")
    }
}

fn text(task: &Task) -> &str {
    task.result.as_ref().map_or("", |result| &result.text)
}

#[tokio::test]
async fn a_producer_in_node_gets_what_a_worker_of_shim_made_of_its_job() {
    let mut env = TestEnv::start().await;
    let mut producer = env.queue.start("producer.mjs", &[]);
    let worker = env.clients.register("shim's", 1).await.unwrap();
    let data = json!({"goal": "greet the world", "payload": {"loud": true}});
    producer
        .order(&json!({"name": "greeting", "data": data}))
        .await;
    let added = producer.next().await["added"].clone();

    let claim = env.clients.claim(&worker, WAIT).await.unwrap().unwrap();
    assert_eq!(claim.task.goal, "greet the world");
    let loud = &claim.task.payload.as_ref().unwrap().fields["loud"];
    assert_eq!(loud.kind, Some(Kind::BoolValue(true)));
    assert_eq!(claim.task.root_id, claim.task.task_id, "it is a job");
    env.clients.complete(&claim, "HELLO").await.unwrap();
    assert_eq!(
        producer.next().await,
        json!({"id": added, "returned": "HELLO"})
    );
    let done = env.clients.task(&claim.task.task_id).await.unwrap();
    assert_eq!(done.state(), TaskState::Completed);
}

#[tokio::test]
async fn a_job_without_a_goal_is_known_by_its_name_and_its_failure_is_told() {
    let mut env = TestEnv::start().await;
    let mut producer = env.queue.start("producer.mjs", &[]);
    let worker = env.clients.register("shim's", 1).await.unwrap();
    let order = json!({"name": "send mail", "data": {"to": "ada"}, "opts": {"attempts": 1}});
    producer.order(&order).await;
    let added = producer.next().await["added"].clone();

    let claim = env.clients.claim(&worker, WAIT).await.unwrap().unwrap();
    assert_eq!(claim.task.goal, "send mail");
    let to = &claim.task.payload.as_ref().unwrap().fields["to"];
    assert_eq!(to.kind, Some(Kind::StringValue("ada".into())));
    let failed = env
        .clients
        .fail(&claim, "no stamps left", true)
        .await
        .unwrap();
    assert_eq!(failed.state(), TaskState::Failed);
    let message = producer.next().await;
    assert_eq!(message["id"], added);
    let reason = message["failed"].as_str().unwrap();
    assert!(reason.contains("no stamps left"), "{message}");
}

#[tokio::test]
async fn a_worker_in_node_does_a_job_of_shim_step_by_step() {
    let mut env = TestEnv::start().await;
    let mut worker = env.queue.worker(&[]).await;
    let job = env.clients.submit(chain()).await.unwrap();
    let root_id = job.task.unwrap().task_id;

    for (part, goal) in job.subtasks.iter().zip(["do first", "do second"]) {
        let active = worker
            .until(|message| message.get("active").is_some())
            .await;
        assert_eq!(active["active"], json!(part.task_id), "the job's id");
        assert_eq!(active["name"], "rhyme");
        let data = &active["data"];
        assert_eq!(data["task_id"], json!(part.task_id));
        assert_eq!(data["root_id"], json!(root_id));
        assert_eq!(data["goal"], goal);
    }
    let root = env.clients.wait_for_end(&root_id).await.unwrap();
    assert_eq!(root.state(), TaskState::Completed);
    let request = AggregateResultsRequest {
        task_id: root_id,
        ..Default::default()
    };
    let merged = env.clients.jobs.aggregate_results(request).await.unwrap();
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
    let mut env = TestEnv::start().await;
    let _worker = env.queue.worker(&["--object"]).await;
    let job = env.clients.submit(job("count")).await.unwrap();
    let done = env
        .clients
        .wait_for_end(&job.task.unwrap().task_id)
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
    let mut env = TestEnv::start().await;
    let mut unlucky = env.queue.worker(&["--failures", "9"]).await;
    let mut request = chain();
    request.on_failure = FailurePolicy::Continue.into();
    let job = env.clients.submit(request).await.unwrap();
    let root_id = job.task.unwrap().task_id;
    let root = env.clients.wait_for_end(&root_id).await.unwrap();
    assert_eq!(root.state(), TaskState::Failed);

    let parts = env.parts(&root_id).await;
    let (first, second) = (&parts["first"], &parts["second"]);
    assert_eq!(first.state(), TaskState::Failed);
    assert_eq!(first.attempts, 2);
    let why = first.error.clone().unwrap().message;
    assert!(why.contains("attempt 2 was out of luck"), "{why}");
    assert_eq!(second.state(), TaskState::Cancelled);
    assert_eq!(second.error.clone().unwrap().reason, "DEPENDENCY_FAILED");

    // Out of the dead letter, with a worker that has more luck.
    unlucky.kill().await;
    let _lucky = env.queue.worker(&[]).await;
    let request = RetryTaskRequest {
        request_id: request_id(),
        task_id: root_id.clone(),
    };
    let retried = env.clients.jobs.retry_task(request).await.unwrap();
    assert_eq!(retried.into_inner().retried, 2);
    let root = env.clients.wait_for_end(&root_id).await.unwrap();
    assert_eq!(root.state(), TaskState::Completed);
    let second = &env.parts(&root_id).await["second"];
    let second = env.clients.task(&second.task_id).await.unwrap();
    assert_eq!(text(&second), "done: do second");
}

#[tokio::test]
async fn a_task_that_hangs_in_node_can_be_called_off() {
    let mut env = TestEnv::start().await;
    let mut worker = env.queue.worker(&["--hang"]).await;
    let job = env.clients.submit(job("wait for rain")).await.unwrap();
    let task_id = job.task.unwrap().task_id;
    worker
        .until(|message| message["active"] == json!(task_id))
        .await;
    let request = CancelTaskRequest {
        request_id: request_id(),
        task_id: task_id.clone(),
        reason: "it is dry season".into(),
    };
    let cancelled = env.clients.jobs.cancel_task(request).await.unwrap();
    assert_eq!(cancelled.into_inner().cancelled, 1);
    let task = env.clients.wait_for_end(&task_id).await.unwrap();
    assert_eq!(task.state(), TaskState::Cancelled);
}

#[tokio::test]
async fn an_observer_in_node_sees_what_becomes_of_the_tasks_of_shim() {
    let mut env = TestEnv::start().await;
    let mut observer = env.queue.start("observer.mjs", &[]);
    let worker = env.clients.register("shim's", 1).await.unwrap();
    let mut ids = Vec::new();
    for goal in ["succeed", "fail"] {
        let job = env.clients.submit(job(goal)).await.unwrap();
        let claim = env.clients.claim(&worker, WAIT).await.unwrap().unwrap();
        assert_eq!(claim.task.task_id, job.task.unwrap().task_id);
        match goal {
            "succeed" => env.clients.complete(&claim, "done").await.unwrap(),
            _ => env.clients.fail(&claim, "no luck", true).await.unwrap(),
        };
        ids.push(claim.task.task_id);
    }
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    loop {
        let message = observer.next().await;
        let (id, event) = (message["jobId"].as_str(), message["event"].as_str());
        let of_job = seen.entry(id.unwrap().to_owned()).or_default();
        of_job.push(event.unwrap().to_owned());
        if event == Some("failed") {
            let reason = message["failedReason"].as_str().unwrap();
            assert!(reason.contains("no luck"), "{message}");
            break;
        }
    }
    for (id, end) in ids.iter().zip(["completed", "failed"]) {
        let events = seen[id].iter().filter(|event| *event != "waiting");
        let events: Vec<_> = events.collect();
        assert_eq!(events, ["added", "active", end], "{seen:?}");
    }
}
