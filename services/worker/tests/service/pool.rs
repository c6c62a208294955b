//! The life of this process's workers: started, drained and stopped over gRPC, and by the end of the process.

use std::path::Path;

use shim_proto::coordination::v1::*;
use shim_proto::worker::v1::*;
use shim_redis_harness::Redis;

use super::chat_worker::{ChatWorker, registration};
use super::test_stack::{StackBuilder, TestStack, id, job, refusal, span, within};

/// Shows that it began, and ends when it may.
const PATIENT: &str =
    "cat > /dev/null; touch began; while [ ! -e go ]; do sleep 0.02; done; echo done";

async fn stack_with(redis: &Redis, script: &str) -> TestStack {
    StackBuilder::new(&redis.unix_url())
        .script("sh", "command", script)
        .build()
        .await
}

fn start() -> StartWorkerRequest {
    StartWorkerRequest {
        request_id: id(),
        executor: "sh".to_owned(),
        ..Default::default()
    }
}

/// A worker of another process that takes tasks for programs.
fn heir() -> RegisterWorkerRequest {
    RegisterWorkerRequest {
        kind: WorkerKind::Command.into(),
        ..registration(&[], 1)
    }
}

/// A task that asks for a program.
fn for_command(goal: &str) -> SubmitTaskRequest {
    SubmitTaskRequest {
        requirements: Some(Requirements {
            executor: WorkerKind::Command.into(),
            capabilities: Vec::new(),
        }),
        ..job(goal)
    }
}

async fn started(stack: &TestStack, request: StartWorkerRequest) -> Worker {
    let answer = stack.workers.clone().start_worker(request).await.unwrap();
    answer.into_inner().worker.unwrap()
}

async fn health(stack: &TestStack) -> Vec<WorkerReport> {
    let request = GetWorkerHealthRequest::default();
    let answer = stack.workers.clone().get_worker_health(request).await;
    answer.unwrap().into_inner().workers
}

async fn exists(path: &Path) {
    within(async {
        while !path.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn allow(path: &Path) {
    std::fs::write(path, "").unwrap();
}

#[tokio::test]
async fn a_started_worker_does_what_fits_it_and_reports_its_health() {
    let redis = Redis::start();
    let stack = stack_with(&redis, "cat > /dev/null; echo 42 lines").await;
    let request = StartWorkerRequest {
        name: "counter".to_owned(),
        capabilities: vec!["count".to_owned()],
        capacity: 3,
        ..start()
    };
    let worker = started(&stack, request.clone()).await;
    assert_eq!(worker.kind(), WorkerKind::Command);
    assert_eq!((worker.name.as_str(), worker.capacity), ("counter", 3));
    let again = started(&stack, request).await;
    assert_eq!(again.worker_id, worker.worker_id);
    let count = SubmitTaskRequest {
        requirements: Some(Requirements {
            executor: WorkerKind::Command.into(),
            capabilities: vec!["count".to_owned()],
        }),
        ..job("count")
    };
    let task = stack.submit(count).await;
    let task = stack.until(&task.task_id, TaskState::Completed).await;
    assert_eq!(task.result.unwrap().text.trim(), "42 lines");
    assert_eq!(task.worker_id, worker.worker_id);
    let report = within(async {
        loop {
            let reports = health(&stack).await;
            assert_eq!(reports.len(), 1);
            if reports[0].completed == 1 {
                return reports[0].clone();
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!((report.executor.as_str(), report.failed), ("sh", 0));
}

#[tokio::test]
async fn a_draining_worker_finishes_its_tasks_and_takes_nothing_new() {
    let redis = Redis::start();
    let stack = stack_with(&redis, PATIENT).await;
    let request = StartWorkerRequest {
        capacity: 2,
        ..start()
    };
    let worker = started(&stack, request.clone()).await;
    let first = stack.submit(for_command("first")).await;
    exists(&stack.path("began")).await;
    let drain = DrainWorkerRequest {
        request_id: id(),
        worker_id: worker.worker_id.clone(),
        deadline: span(60_000),
    };
    let mut workers = stack.workers.clone();
    workers.drain_worker(drain.clone()).await.unwrap();
    let second = stack.submit(for_command("second")).await;
    within(async {
        while health(&stack).await[0].worker.as_ref().unwrap().state() != WorkerState::Draining {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(health(&stack).await[0].tasks.len(), 1);
    allow(&stack.path("go"));
    stack.until(&first.task_id, TaskState::Completed).await;
    within(async {
        while !health(&stack).await.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(stack.get(&second.task_id).await.state(), TaskState::Ready);
    // A repeated drain has the same answer, and the repeated start of a stopped worker starts none.
    let again = workers.drain_worker(drain).await.unwrap().into_inner();
    assert_eq!(again.worker.unwrap().state(), WorkerState::Stopped);
    started(&stack, request).await;
    assert!(health(&stack).await.is_empty());
}

#[tokio::test]
async fn a_task_of_a_stopped_worker_goes_to_another_untried() {
    let redis = Redis::start();
    let stack = stack_with(&redis, PATIENT).await;
    let worker = started(&stack, start()).await;
    let task = stack.submit(for_command("moved")).await;
    exists(&stack.path("began")).await;
    let stop = StopWorkerRequest {
        request_id: id(),
        worker_id: worker.worker_id,
    };
    let stopped = stack.workers.clone().stop_worker(stop).await.unwrap();
    let stopped = stopped.into_inner().worker.unwrap();
    assert_eq!(stopped.state(), WorkerState::Stopped);
    let chat = ChatWorker::with(&stack, heir()).await;
    let claim = chat.take().await;
    assert_eq!(claim.task.task_id, task.task_id);
    assert_eq!((claim.task.attempts, claim.task.worker_deaths), (1, 0));
}

#[tokio::test]
async fn a_service_that_stops_lets_its_workers_finish() {
    let redis = Redis::start();
    let (stack, other) = (
        stack_with(&redis, PATIENT).await,
        TestStack::on(&redis).await,
    );
    started(&stack, start()).await;
    let task = stack.submit(for_command("finished")).await;
    exists(&stack.path("began")).await;
    stack.begin_stop();
    let go = stack.path("go");
    let (task, ()) = tokio::join!(other.until(&task.task_id, TaskState::Completed), async {
        // The service stops all the while.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        allow(&go);
    });
    assert_eq!(task.result.unwrap().text.trim(), "done");
    stack.stop().await;
}

#[tokio::test]
async fn what_is_not_done_when_the_service_must_go_is_given_back() {
    let redis = Redis::start();
    let stack = StackBuilder::new(&redis.unix_url())
        .script("sh", "command", PATIENT)
        .set("worker.start", "sh")
        .set("worker.drain", "100ms")
        .build()
        .await;
    let other = TestStack::on(&redis).await;
    let task = stack.submit(for_command("given back")).await;
    exists(&stack.path("began")).await;
    stack.stop().await;
    let chat = ChatWorker::with(&other, heir()).await;
    let claim = chat.take().await;
    assert_eq!(claim.task.task_id, task.task_id);
    assert_eq!((claim.task.attempts, claim.task.worker_deaths), (1, 0));
}

#[tokio::test]
async fn a_worker_whose_registration_is_gone_registers_again_and_works_on() {
    let redis = Redis::start();
    let stack = stack_with(&redis, "cat > /dev/null; echo done").await;
    let worker = started(&stack, start()).await;
    let leave = DeregisterWorkerRequest {
        request_id: id(),
        worker_id: worker.worker_id.clone(),
        epoch: worker.epoch,
        reason: "by mistake".to_owned(),
    };
    let left = stack.registry.clone().deregister_worker(leave).await;
    left.unwrap();
    let task = stack.submit(for_command("still done")).await;
    let task = stack.until(&task.task_id, TaskState::Completed).await;
    assert_eq!(task.worker_id, worker.worker_id);
    let unknown = StopWorkerRequest {
        request_id: id(),
        worker_id: id(),
    };
    let refused = refusal(stack.workers.clone().stop_worker(unknown).await);
    assert_eq!(refused.1, "WORKER_NOT_FOUND");
}
