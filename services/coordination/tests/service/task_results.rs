//! Stories of the results of jobs, and of the health of queues.

use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;

use super::test_service::{TestService, id, object};
use super::test_worker::{ANY_QUEUE, TestWorker, job, job_of, result, submit};

async fn aggregate(
    service: &TestService,
    task_id: &str,
    merge: MergeStrategy,
) -> AggregateResultsResponse {
    let request = AggregateResultsRequest {
        task_id: task_id.to_owned(),
        merge: merge.into(),
    };
    let mut tasks = service.tasks.clone();
    tasks.aggregate_results(request).await.unwrap().into_inner()
}

async fn text(service: &TestService, task_id: &str, merge: MergeStrategy) -> String {
    aggregate(service, task_id, merge)
        .await
        .result
        .unwrap()
        .text
}

#[tokio::test]
async fn results_are_merged_by_the_strategy_of_the_job_or_of_the_request() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = TestWorker::start(&redis).await;
    let asked = SubmitTaskRequest {
        merge: MergeStrategy::Last.into(),
        ..job_of(&[("c", &["b"]), ("a", &[]), ("b", &["a"])])
    };
    let root_id = submit(&service, asked).await.task.unwrap().task_id;
    for _ in 0..3 {
        let claimed = worker.take().await;
        let data = object(&[("by", &claimed.task.key), (&claimed.task.key, "done")]);
        let done = TaskResult {
            data: Some(data),
            ..result(&format!("{} is done", claimed.task.key))
        };
        worker.complete(&claimed, done).await;
        // Completion times have a resolution of one millisecond.
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
    let whole = aggregate(&service, &root_id, MergeStrategy::Unspecified).await;
    assert!(whole.complete && whole.missing.is_empty());
    let root = whole.task.unwrap();
    assert_eq!((root.state(), root.result), (TaskState::Completed, None));
    assert_eq!(whole.result.unwrap().text, "c is done");
    assert_eq!(
        text(&service, &root_id, MergeStrategy::First).await,
        "a is done"
    );
    let all = text(&service, &root_id, MergeStrategy::Concatenate).await;
    assert_eq!(all, "c is done\n\na is done\n\nb is done");
    let merged = aggregate(&service, &root_id, MergeStrategy::Merge).await;
    let expected = object(&[("a", "done"), ("b", "done"), ("c", "done"), ("by", "b")]);
    assert_eq!(merged.result.unwrap().data, Some(expected));
}

#[tokio::test]
async fn missing_results_are_listed() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = TestWorker::start(&redis).await;
    let asked = SubmitTaskRequest {
        on_failure: FailurePolicy::Continue.into(),
        ..job_of(&[("a", &[]), ("b", &["a"]), ("c", &[])])
    };
    let root_id = submit(&service, asked).await.task.unwrap().task_id;
    let nothing = aggregate(&service, &root_id, MergeStrategy::Unspecified).await;
    assert_eq!((nothing.result, nothing.missing.len()), (None, 3));

    for _ in 0..2 {
        let claimed = worker.take().await;
        match claimed.task.key.as_str() {
            "a" => worker.fail(&claimed, "no disk").await,
            _ => worker.complete(&claimed, result("c is done")).await,
        };
    }
    let some = aggregate(&service, &root_id, MergeStrategy::Unspecified).await;
    assert!(!some.complete);
    assert_eq!(some.result.unwrap().text, "c is done");
    let missing: Vec<_> = some
        .missing
        .iter()
        .map(|missing| {
            (
                missing.key.as_str(),
                missing.state(),
                missing.error.as_ref().unwrap().reason.as_str(),
            )
        })
        .collect();
    assert_eq!(
        missing,
        [
            ("a", TaskState::Failed, "EXECUTOR_FAILED"),
            ("b", TaskState::Cancelled, "DEPENDENCY_FAILED"),
        ]
    );
}

#[tokio::test]
async fn a_job_without_subtasks_has_its_own_result() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = TestWorker::start(&redis).await;
    let task_id = submit(&service, job("one thing"))
        .await
        .task
        .unwrap()
        .task_id;
    let before = aggregate(&service, &task_id, MergeStrategy::Merge).await;
    assert!(!before.complete);
    assert_eq!(
        (before.result, before.missing[0].task_id.as_str()),
        (None, task_id.as_str())
    );
    let done = TaskResult {
        artifacts: vec!["/tmp/log".to_owned()],
        exit_code: Some(0),
        ..result("that is it")
    };
    worker.complete(&worker.take().await, done.clone()).await;
    let after = aggregate(&service, &task_id, MergeStrategy::Concatenate).await;
    assert!(after.complete);
    assert_eq!(after.result, Some(done));
}

async fn health(service: &TestService) -> QueueHealthResponse {
    let mut tasks = service.tasks.clone();
    tasks
        .queue_health(QueueHealthRequest {})
        .await
        .unwrap()
        .into_inner()
}

async fn register(service: &TestService, kind: WorkerKind, capacity: u32) -> Worker {
    let request = RegisterWorkerRequest {
        request_id: id(),
        kind: kind.into(),
        capacity,
        ..Default::default()
    };
    let mut registry = service.registry.clone();
    let answer = registry.register_worker(request).await.unwrap();
    answer.into_inner().worker.unwrap()
}

#[tokio::test]
async fn a_queue_reports_whether_it_is_served() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = TestWorker::start(&redis).await;
    for priority in [10, 10, 70] {
        let asked = SubmitTaskRequest {
            priority,
            ..job("anything")
        };
        submit(&service, asked).await;
    }
    let asked = SubmitTaskRequest {
        requirements: Some(Requirements {
            executor: WorkerKind::Command.into(),
            capabilities: Vec::new(),
        }),
        ..job("run it")
    };
    submit(&service, asked).await;

    let starving = health(&service).await;
    assert_eq!(starving.queues.len(), 2);
    assert!(
        starving
            .queues
            .iter()
            .all(|queue| queue.starving && queue.workers == 0)
    );

    let chat = register(&service, WorkerKind::Chat, 1).await;
    let served = health(&service).await;
    let queue = |health: &QueueHealthResponse, name: &str| {
        health
            .queues
            .iter()
            .find(|queue| queue.name == name)
            .unwrap()
            .clone()
    };
    let any = queue(&served, ANY_QUEUE);
    assert_eq!(
        (any.waiting, any.active, any.workers, any.room),
        (3, 0, 1, 1)
    );
    assert!(!any.starving && !any.saturated);
    let depths: Vec<_> = any
        .depths
        .iter()
        .map(|depth| (depth.priority, depth.depth))
        .collect();
    assert_eq!(depths, [(10, 2), (70, 1)]);
    assert!(any.oldest_age.is_some());
    assert!(queue(&served, "work.command").starving);

    let heartbeat = HeartbeatRequest {
        worker_id: chat.worker_id,
        epoch: chat.epoch,
        running: 1,
        ..Default::default()
    };
    service.registry.clone().heartbeat(heartbeat).await.unwrap();
    let claimed = worker.take().await;
    let full = queue(&health(&service).await, ANY_QUEUE);
    assert_eq!((full.waiting, full.active, full.room), (2, 1, 0));
    assert!(full.saturated && !full.starving);

    worker.complete(&claimed, result("")).await;
    let failed = worker.take().await;
    worker.fail(&failed, "no").await;
    let after = health(&service).await;
    assert_eq!(
        (after.completed_last_minute, after.failed_last_minute),
        (1, 1)
    );
    assert_eq!((after.dead_letters, after.awaiting_approval), (1, 0));
}
