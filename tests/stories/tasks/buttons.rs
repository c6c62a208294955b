//! What people do to jobs with Bull Board and with BullMQ's own methods, in Node.

use std::time::Duration;

use serde_json::{Value, json};
use shim_proto::coordination::v1::{
    QueueHealthRequest, RetryTaskRequest, SubmitTaskRequest, Task, TaskState,
};
use shim_tests::calls::request_id;
use shim_tests::coordination::proto_duration;
use shim_tests::node::{NodeScript, press};
use shim_tests::tasks::job;

use super::bullmq::{TestEnv, WAIT};

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// What BullMQ says to an order.
async fn order(operator: &mut NodeScript, order: Value) -> Value {
    operator.order(&order).await;
    let answer = operator.next().await;
    assert!(answer.get("failed").is_none(), "{order}: {answer}");
    answer["said"].clone()
}

/// The task, once it is in a state.
async fn until(env: &mut TestEnv, task_id: &str, state: TaskState) -> Task {
    let look = async {
        loop {
            let task = env.clients.task(task_id).await.unwrap();
            if task.state() == state {
                return task;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    let found = tokio::time::timeout(WAIT, look).await;
    found.unwrap_or_else(|_| panic!("{task_id} was never {state:?}"))
}

/// Until BullMQ has a job in a state.
async fn until_shown(operator: &mut NodeScript, id: &str, state: &str) {
    let look = async {
        while order(operator, json!({"do": "state", "id": id})).await != json!(state) {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    let found = tokio::time::timeout(WAIT, look).await;
    found.unwrap_or_else(|_| panic!("{id} was never {state}"));
}

async fn submit(env: &mut TestEnv, request: SubmitTaskRequest) -> String {
    let submitted = env.clients.submit(request).await.unwrap();
    submitted.task.unwrap().task_id
}

#[tokio::test]
async fn the_buttons_of_the_board_take_effect_in_the_tasks() {
    let mut env = TestEnv::start().await;
    let mut board = env.queue.start("board.mjs", &[]);
    let mut operator = env.queue.start("operator.mjs", &[]);
    let url = board.next().await["url"].as_str().unwrap().to_owned();
    let button = |id: &str, name: &str| format!("/api/queues/work/{id}/{name}");

    let removed = submit(&mut env, job("never mind")).await;
    until_shown(&mut operator, &removed, "prioritized").await;
    assert_eq!(press(&url, &button(&removed, "clean")).await, 204);
    until(&mut env, &removed, TaskState::Cancelled).await;

    let later = SubmitTaskRequest {
        delay: proto_duration(Duration::from_secs(3_600)),
        max_attempts: 1,
        ..job("later")
    };
    let promoted = submit(&mut env, later).await;
    until_shown(&mut operator, &promoted, "delayed").await;
    assert_eq!(press(&url, &button(&promoted, "promote")).await, 204);
    let worker = env.clients.register("shim's", 1).await.unwrap();
    let claim = env.clients.claim(&worker, WAIT).await.unwrap().unwrap();
    assert_eq!(claim.task.task_id, promoted);

    // What a worker has cannot be removed.
    assert_eq!(press(&url, &button(&promoted, "clean")).await, 409);
    env.clients.fail(&claim, "no luck", true).await.unwrap();
    until_shown(&mut operator, &promoted, "failed").await;
    assert_eq!(press(&url, &button(&promoted, "retry")).await, 204);
    let claim = env.clients.claim(&worker, WAIT).await.unwrap().unwrap();
    assert_eq!(claim.task.task_id, promoted);
    env.clients.complete(&claim, "at last").await.unwrap();
    until_shown(&mut operator, &promoted, "completed").await;
    let cancelled = env.clients.task(&removed).await.unwrap();
    assert_eq!(cancelled.state(), TaskState::Cancelled, "for good");
}

#[tokio::test]
async fn a_failed_job_of_a_producer_in_node_runs_again() {
    let mut env = TestEnv::start().await;
    let mut operator = env.queue.start("operator.mjs", &[]);
    let worker = env.clients.register("shim's", 1).await.unwrap();
    let data = json!({"goal": "greet", "to": "ada", "n": 7});
    let add = json!({"do": "add", "name": "greeting", "data": data, "opts": {"attempts": 1}});
    let id = order(&mut operator, add).await;
    let id = id.as_str().unwrap();
    let claim = env.clients.claim(&worker, WAIT).await.unwrap().unwrap();
    env.clients.fail(&claim, "no luck", true).await.unwrap();
    until_shown(&mut operator, id, "failed").await;

    let request = RetryTaskRequest {
        request_id: request_id(),
        task_id: claim.task.task_id.clone(),
    };
    let retried = env.clients.jobs.retry_task(request).await.unwrap();
    assert_eq!(retried.into_inner().retried, 1);
    let again = env.clients.claim(&worker, WAIT).await.unwrap().unwrap();
    assert_eq!(again.task.task_id, claim.task.task_id);
    assert_eq!(again.task.payload, claim.task.payload);
    env.clients.complete(&again, "hello").await.unwrap();
    until_shown(&mut operator, id, "completed").await;
    let kept = order(&mut operator, json!({"do": "data", "id": id})).await;
    assert_eq!(kept, data, "the job is its owner's");
}

#[tokio::test]
async fn a_queue_that_was_obliterated_begins_anew() {
    let mut env = TestEnv::start().await;
    let mut operator = env.queue.start("operator.mjs", &[]);
    let worker = env.clients.register("shim's", 1).await.unwrap();
    let mut tasks = Vec::new();
    for goal in ["first", "second"] {
        let add = json!({"do": "add", "name": "greet", "data": {"goal": goal}});
        assert_eq!(order(&mut operator, add).await, json!("1"));
        let claim = env.clients.claim(&worker, WAIT).await.unwrap().unwrap();
        assert_eq!(claim.task.goal, goal);
        env.clients.complete(&claim, goal).await.unwrap();
        until_shown(&mut operator, "1", "completed").await;
        tasks.push(claim.task.task_id);
        order(&mut operator, json!({"do": "pause"})).await;
        order(&mut operator, json!({"do": "obliterate"})).await;
    }
    assert_ne!(tasks[0], tasks[1]);
}

#[tokio::test]
async fn a_pause_of_another_program_is_told_and_ended() {
    let mut env = TestEnv::start().await;
    let mut operator = env.queue.start("operator.mjs", &[]);
    let worker = env.clients.register("shim's", 1).await.unwrap();
    order(&mut operator, json!({"do": "pause"})).await;
    let task_id = submit(&mut env, job("wait")).await;
    let none = env.clients.claim(&worker, Duration::from_millis(200)).await;
    assert!(none.unwrap().is_none());
    let task = env.clients.task(&task_id).await.unwrap();
    assert!(task.queue_paused, "{task:?}");
    let health = env.clients.jobs.queue_health(QueueHealthRequest {}).await;
    let queues = health.unwrap().into_inner().queues;
    assert!(queues[0].paused && queues[0].waiting == 1, "{queues:?}");

    order(&mut operator, json!({"do": "resume"})).await;
    let claim = env.clients.claim(&worker, WAIT).await.unwrap().unwrap();
    assert_eq!(claim.task.task_id, task_id);
}
