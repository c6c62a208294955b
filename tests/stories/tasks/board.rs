//! Bull Board, as people run it, over the queues of SHIM.

use std::time::Duration;

use serde_json::{Value, json};
use shim_proto::coordination::v1::{QueueHealthRequest, Requirements, WorkerKind};
use shim_redis_harness::Redis;
use shim_tests::node::{self, get_json};
use shim_tests::service::Launch;
use shim_tests::tasks::{PREFIX, QUEUE, job};
use shim_tests::temp_env::TempEnv;

const WAIT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The queue as the board shows it, with its jobs in one state, once as many are in it.
async fn shown(url: &str, queue: &str, state: &str, count: usize) -> Value {
    let path = format!("/api/queues?activeQueue={queue}&status={state}");
    let look = async {
        loop {
            let board = get_json(url, &path).await;
            let queues = board["queues"].as_array().unwrap();
            let found = queues.iter().find(|found| found["name"] == queue).cloned();
            let found = found.unwrap_or_else(|| panic!("{queue} is not on the board: {board}"));
            if found["counts"][state] == json!(count) {
                return found;
            }
            // What was decided reaches BullMQ a moment later.
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    let found = tokio::time::timeout(WAIT, look).await;
    found.unwrap_or_else(|_| panic!("{queue} never had {count} {state}"))
}

#[tokio::test]
async fn the_board_lists_the_queues_with_their_tasks() {
    let temp = TempEnv::new();
    let redis = Redis::start();
    let stack = Launch::stack(&temp.data_dir(), &redis.url())
        .start_or_panic()
        .await;
    let mut clients = stack.tasks();
    for goal in ["one", "two", "three"] {
        clients.submit(job(goal)).await.unwrap();
    }
    let mut special = job("needs a compiler");
    special.requirements = Some(Requirements {
        executor: WorkerKind::Command.into(),
        capabilities: vec!["rust".into()],
    });
    clients.submit(special).await.unwrap();

    let health = clients.jobs.queue_health(QueueHealthRequest {}).await;
    let reports = health.unwrap().into_inner().queues;
    let mut names: Vec<String> = reports.into_iter().map(|report| report.name).collect();
    names.sort();
    let [general, specific] = &names[..] else {
        panic!("two queues: {names:?}");
    };
    assert_eq!(general, QUEUE);
    assert!(specific.starts_with("work.command."), "{specific}");

    let mut queues = node::BullmqQueues::new(&redis.url(), PREFIX, QUEUE);
    queues.queues = names.clone();
    let mut board = queues.start("board.mjs", &[]);
    let url = board.next().await["url"].as_str().unwrap().to_owned();
    let waiting = shown(&url, specific, "prioritized", 1).await;
    let [special] = &waiting["jobs"].as_array().unwrap()[..] else {
        panic!("one job: {waiting}");
    };
    assert_eq!(special["data"]["goal"], "needs a compiler");
    shown(&url, QUEUE, "prioritized", 3).await;

    let worker = clients.register("shim's", 1).await.unwrap();
    let claim = clients.claim(&worker, WAIT).await.unwrap().unwrap();
    assert_eq!(claim.task.goal, "one", "the oldest");
    shown(&url, QUEUE, "active", 1).await;
    clients.complete(&claim, "first of three").await.unwrap();
    let done = shown(&url, QUEUE, "completed", 1).await;
    let [first] = &done["jobs"].as_array().unwrap()[..] else {
        panic!("one job: {done}");
    };
    assert_eq!(first["id"], json!(claim.task.task_id));
    assert_eq!(first["data"]["goal"], "one");
    assert_eq!(first["returnValue"], "first of three");
    assert_eq!(done["counts"]["prioritized"], 2);
}
