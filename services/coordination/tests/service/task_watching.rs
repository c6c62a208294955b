//! Stories of the watches of a job: its whole log from any cursor, and new events as they happen.

use std::time::{Duration, Instant};

use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use tonic::{Code, Streaming};

use super::test_service::{TestService, id, refusal, within};
use super::test_worker::{TestWorker, job, job_of, result, submit};
use TaskEventKind::{Cancelled, Completed, Ready, Started, Submitted};

async fn watch(
    service: &TestService,
    task_id: &str,
    after_cursor: &str,
) -> Streaming<WatchTaskResponse> {
    let request = WatchTaskRequest {
        task_id: task_id.to_owned(),
        after_cursor: after_cursor.to_owned(),
    };
    let mut tasks = service.tasks.clone();
    tasks.watch_task(request).await.unwrap().into_inner()
}

/// Everything received until the stream ends.
async fn all(mut stream: Streaming<WatchTaskResponse>) -> Vec<WatchTaskResponse> {
    within(async {
        let mut received = Vec::new();
        while let Some(response) = stream.message().await.unwrap() {
            received.push(response);
        }
        received
    })
    .await
}

async fn next(stream: &mut Streaming<WatchTaskResponse>) -> (TaskEvent, Task) {
    let received = within(stream.message()).await.unwrap().unwrap();
    (received.event.unwrap(), received.task.unwrap())
}

fn kinds(received: &[WatchTaskResponse]) -> Vec<TaskEventKind> {
    received
        .iter()
        .map(|received| received.event.as_ref().unwrap().kind())
        .collect()
}

/// Runs a job of two subtasks, `b` after `a`, to its end; returns its root and its subtasks.
async fn run(service: &TestService, worker: &TestWorker) -> (Task, Vec<Task>) {
    let answer = submit(service, job_of(&[("a", &[]), ("b", &["a"])])).await;
    for _ in 0..2 {
        let claimed = worker.take().await;
        worker.complete(&claimed, result("done")).await;
    }
    (answer.task.unwrap(), answer.subtasks)
}

#[tokio::test]
async fn the_log_is_sent_from_its_beginning_and_ends_with_the_job() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = TestWorker::start(&redis).await;
    let (root, subtasks) = run(&service, &worker).await;
    let received = all(watch(&service, &root.task_id, "").await).await;
    let (r, a, b) = (&root.task_id, &subtasks[0].task_id, &subtasks[1].task_id);
    let lines: Vec<_> = received
        .iter()
        .map(|received| received.event.as_ref().unwrap())
        .map(|event| (event.kind(), &event.task_id))
        .collect();
    assert_eq!(
        lines,
        [
            (Submitted, r),
            (Ready, a),
            (Started, a),
            (Completed, a),
            (Ready, b),
            (Started, b),
            (Completed, b),
            (Completed, r),
        ]
    );
    assert_eq!(
        received[2].event.as_ref().unwrap().worker_id,
        worker.worker_id()
    );
    // Each event comes with the present record of its task, without the result.
    for received in &received {
        let (event, task) = (
            received.event.as_ref().unwrap(),
            received.task.as_ref().unwrap(),
        );
        assert_eq!(event.task_id, task.task_id);
        assert_eq!((task.state(), &task.result), (TaskState::Completed, &None));
    }
    let mut cursors: Vec<_> = received
        .iter()
        .map(|received| &received.event.as_ref().unwrap().cursor)
        .collect();
    cursors.dedup();
    assert_eq!(cursors.len(), received.len());
}

#[tokio::test]
async fn a_watch_continues_after_its_cursor() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = TestWorker::start(&redis).await;
    let (root, _) = run(&service, &worker).await;
    let received = all(watch(&service, &root.task_id, "").await).await;
    for (n, line) in received.iter().enumerate() {
        let cursor = &line.event.as_ref().unwrap().cursor;
        let rest = all(watch(&service, &root.task_id, cursor).await).await;
        assert_eq!(rest, received[n + 1..]);
    }
}

#[tokio::test]
async fn the_watch_of_a_subtask_sends_only_its_events() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = TestWorker::start(&redis).await;
    let answer = submit(&service, job_of(&[("a", &[]), ("b", &["a"])])).await;
    let stream = watch(&service, &answer.subtasks[0].task_id, "").await;
    let claimed = worker.take().await;
    worker.complete(&claimed, result("done")).await;
    // The stream ends with the subtask, while the job goes on.
    let received = all(stream).await;
    assert_eq!(kinds(&received), [Ready, Started, Completed]);
}

#[tokio::test]
async fn a_watch_sends_an_event_at_once() {
    let redis = Redis::start();
    let (service, other) = (
        TestService::start(&redis).await,
        TestService::start(&redis).await,
    );
    let task_id = submit(&service, job("watched")).await.task.unwrap().task_id;
    let mut stream = watch(&other, &task_id, "").await;
    assert_eq!(next(&mut stream).await.0.kind(), Submitted);
    assert_eq!(next(&mut stream).await.0.kind(), Ready);
    let request = CancelTaskRequest {
        request_id: id(),
        task_id,
        reason: "enough".to_owned(),
    };
    let asked = Instant::now();
    service.tasks.clone().cancel_task(request).await.unwrap();
    let (event, task) = next(&mut stream).await;
    let after = asked.elapsed();
    assert!(after < Duration::from_millis(500), "{after:?}");
    assert_eq!((event.kind(), event.detail.as_str()), (Cancelled, "enough"));
    assert_eq!(task.state(), TaskState::Cancelled);
    assert!(within(stream.message()).await.unwrap().is_none());
}

#[tokio::test]
async fn the_watch_of_a_retried_job_continues_past_its_first_end() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = TestWorker::start(&redis).await;
    let task_id = submit(&service, job("twice")).await.task.unwrap().task_id;
    worker.fail(&worker.take().await, "no").await;
    let request = RetryTaskRequest {
        request_id: id(),
        task_id: task_id.clone(),
    };
    service.tasks.clone().retry_task(request).await.unwrap();
    let stream = watch(&service, &task_id, "").await;
    worker.complete(&worker.take().await, result("yes")).await;
    let received = all(stream).await;
    use TaskEventKind::{Failed, Retried};
    assert_eq!(
        kinds(&received),
        [
            Submitted, Ready, Started, Failed, Retried, Ready, Started, Completed
        ]
    );
}

#[tokio::test]
async fn a_watch_ends_when_the_service_stops() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let task_id = submit(&service, job("watched")).await.task.unwrap().task_id;
    let mut stream = watch(&service, &task_id, "").await;
    next(&mut stream).await;
    next(&mut stream).await;
    service.stop().await;
    let refused = refusal(within(stream.message()).await);
    assert_eq!(refused, (Code::Unavailable, "STOPPING".into()));
}

#[tokio::test]
async fn a_made_up_cursor_is_refused() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let task_id = submit(&service, job("watched")).await.task.unwrap().task_id;
    for after_cursor in ["yesterday", "-", "1-", "1-2-3", "-1-0"] {
        let request = WatchTaskRequest {
            task_id: task_id.clone(),
            after_cursor: after_cursor.to_owned(),
        };
        let refused = refusal(service.tasks.clone().watch_task(request).await.map(drop));
        assert_eq!(
            refused,
            (Code::InvalidArgument, "BAD_REQUEST".into()),
            "{after_cursor}"
        );
    }
}

#[tokio::test]
async fn a_watch_broken_by_redis_continues_after_its_cursor() {
    let mut redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = TestWorker::start(&redis).await;
    let answer = submit(&service, job_of(&[("a", &[]), ("b", &["a"])])).await;
    let root_id = answer.task.unwrap().task_id;
    let mut stream = watch(&service, &root_id, "").await;
    let mut received = vec![next(&mut stream).await.0, next(&mut stream).await.0];
    redis.kill();
    let (code, _) = refusal(within(stream.message()).await);
    assert_eq!(code, Code::Unavailable);

    redis.restart();
    let again = WatchTaskRequest {
        task_id: root_id,
        after_cursor: received[1].cursor.clone(),
    };
    let stream = within(async {
        loop {
            match service.tasks.clone().watch_task(again.clone()).await {
                Ok(stream) => return stream.into_inner(),
                Err(status) => assert_eq!(status.code(), Code::Unavailable),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    for _ in 0..2 {
        let claimed = worker.take().await;
        worker.complete(&claimed, result("done")).await;
    }
    received.extend(
        all(stream)
            .await
            .into_iter()
            .filter_map(|received| received.event),
    );
    let kinds: Vec<_> = received.iter().map(TaskEvent::kind).collect();
    let expected = [
        Submitted, Ready, Started, Completed, Ready, Started, Completed, Completed,
    ];
    assert_eq!(kinds, expected);
}
