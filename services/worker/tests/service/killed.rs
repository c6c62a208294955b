//! Processes of workers that are killed: their tasks go on elsewhere, from the last checkpoint.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use shim_proto::checkpoint::v1::DetectRecoveryRequest;
use shim_proto::coordination::v1::*;
use shim_proto::worker::v1::StartWorkerRequest;
use shim_redis_harness::Redis;

use super::test_stack::{StackBuilder, TestStack, id, job};

/// Variables of a worker process of these stories.
const REDIS: &str = "STORY_REDIS";
const CHECKPOINTS: &str = "STORY_CHECKPOINTS";

/// An agent that got half way and hangs.
const FIRST: &str = r#"cat > /dev/null
echo '{"type":"assistant","message":{"id":"m1","content":[{"type":"tool_use","id":"u1","name":"Bash","input":{"command":"wc -l x"}}]}}'
sleep 1000
"#;

/// An agent that keeps its prompt and is done.
const SECOND: &str = r#"cat > prompt
echo '{"type":"result","subtype":"success","is_error":false,"result":"42 lines"}'
"#;

/// Not a story: the process that stories kill.
#[tokio::test]
#[ignore = "a process of other tests"]
async fn worker_process() {
    let (Ok(redis), Ok(checkpoints)) = (std::env::var(REDIS), std::env::var(CHECKPOINTS)) else {
        return;
    };
    let _stack = StackBuilder::new(&redis)
        .script("agent", "agent", FIRST)
        .set("worker.start", "agent")
        .with_checkpoints_at(Path::new(&checkpoints))
        .build()
        .await;
    std::future::pending::<()>().await;
}

/// A worker process; killed when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn process(redis: &Redis, stack: &TestStack) -> Process {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "service::killed::worker_process", "--ignored"])
        .env(REDIS, redis.unix_url())
        .env(CHECKPOINTS, &stack.socket)
        // A killed process leaves its folder behind.
        .env("TMPDIR", stack.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Process(child)
}

#[tokio::test]
async fn the_next_worker_goes_on_from_the_checkpoint_of_the_killed_one() {
    let redis = Redis::start();
    let stack = StackBuilder::new(&redis.unix_url())
        .script("agent", "agent", SECOND)
        .build()
        .await;
    let task = stack.submit(job("Count the lines of x")).await;
    let process = process(&redis, &stack);
    let saved = stack.when(&task.task_id, |task| !task.checkpoint_id.is_empty());
    let saved = saved.await;
    assert_eq!(saved.note, "Bash: wc -l x");
    let start = StartWorkerRequest {
        request_id: id(),
        executor: "agent".to_owned(),
        ..Default::default()
    };
    stack.workers.clone().start_worker(start).await.unwrap();
    drop(process);

    let done = stack.until(&task.task_id, TaskState::Completed).await;
    assert_eq!(done.worker_deaths, 1);
    assert_ne!(done.worker_id, saved.worker_id);
    assert_eq!(done.result.unwrap().text, "42 lines");
    let prompt = std::fs::read_to_string(stack.path("prompt")).unwrap();
    for part in [
        "Count the lines of x",
        "- \"Bash: wc -l x\"",
        "(do not repeat)",
    ] {
        assert!(prompt.contains(part), "{prompt}");
    }
    let dead = GetWorkerRequest {
        worker_id: saved.worker_id,
    };
    let dead = stack.registry.clone().get_worker(dead).await.unwrap();
    let died = dead.into_inner().worker.unwrap().due_at.unwrap();
    let began = done.started_at.unwrap();
    let late =
        (began.seconds - died.seconds) * 1_000 + i64::from(began.nanos - died.nanos) / 1_000_000;
    assert!(
        (0..1_000).contains(&late),
        "{late} ms after the death was known"
    );

    // Neither worker's session is proposed to a Claude window: the work went on.
    let detect = DetectRecoveryRequest::default();
    let found = stack.checkpoints.clone().detect_recovery(detect).await;
    let found = found.unwrap().into_inner();
    assert!(found.candidates.is_empty(), "{found:?}");
}
