//! Requests that are wrong: every field is named, and nothing is done.

use prost_types::value::Kind;
use prost_types::{Duration as Span, Struct, Value};
use shim_proto::coordination::v1::{TaskError, TaskResult, Usage};
use shim_proto::worker::v1::*;
use shim_redis_harness::Redis;
use shim_runtime::service_error;
use tonic::{Code, Status};

use super::chat_worker::ChatWorker;
use super::test_stack::{TestStack, id, refusal, span};

/// The fields that a refusal names.
fn fields<T: std::fmt::Debug>(answer: Result<T, Status>) -> Vec<String> {
    let status = answer.expect_err("it is refused");
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let violations = service_error::decode(&status).violations;
    violations
        .into_iter()
        .map(|violation| violation.0)
        .collect()
}

fn wrong_usage() -> Option<Usage> {
    Some(Usage {
        input_tokens: u64::MAX,
        output_tokens: u64::MAX,
        cost_usd: f64::NAN,
        incomplete: false,
    })
}

const USAGE: [&str; 3] = [
    "usage.input_tokens",
    "usage.output_tokens",
    "usage.cost_usd",
];

#[tokio::test]
async fn claims_and_reports_name_what_is_wrong_in_them() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let mut workers = stack.workers.clone();
    let claim = ClaimTaskRequest {
        wait: span(30_001),
        ..Default::default()
    };
    assert_eq!(
        fields(workers.claim_task(claim).await),
        ["request_id", "worker_id", "epoch", "wait"]
    );
    let claim = ClaimTaskRequest {
        request_id: "with space".to_owned(),
        worker_id: "worker".to_owned(),
        epoch: u64::MAX,
        wait: Some(Span {
            seconds: -1,
            nanos: 0,
        }),
    };
    assert_eq!(
        fields(workers.claim_task(claim).await),
        ["request_id", "worker_id", "epoch", "wait"]
    );
    let report = ReportProgressRequest {
        task_id: "task".to_owned(),
        progress: 1.5,
        note: "x".repeat(1_025),
        checkpoint_id: "the last".to_owned(),
        usage: wrong_usage(),
        ..Default::default()
    };
    let mut expected = vec!["task_id", "lease", "progress", "note", "checkpoint_id"];
    expected.extend(USAGE);
    assert_eq!(fields(workers.report_progress(report).await), expected);
    let report = ReportProgressRequest {
        task_id: id(),
        lease: 1,
        progress: f64::NAN,
        ..Default::default()
    };
    assert_eq!(fields(workers.report_progress(report).await), ["progress"]);
}

#[tokio::test]
async fn endings_name_what_is_wrong_in_them() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let mut workers = stack.workers.clone();
    let nan = Value {
        kind: Some(Kind::NumberValue(f64::NAN)),
    };
    let complete = CompleteTaskRequest {
        result: Some(TaskResult {
            text: "x".repeat((256 << 10) + 1),
            data: Some(Struct {
                fields: [("n".to_owned(), nan)].into(),
            }),
            artifacts: vec![String::new(), "x".repeat(4_097)],
            ..Default::default()
        }),
        usage: wrong_usage(),
        ..Default::default()
    };
    let mut expected = vec![
        "request_id",
        "task_id",
        "lease",
        "result.text",
        "result.data",
        "result.data.n",
    ];
    expected.extend(["result.artifacts[0]", "result.artifacts[1]"]);
    expected.extend(USAGE);
    assert_eq!(fields(workers.complete_task(complete).await), expected);
    let complete = CompleteTaskRequest {
        request_id: id(),
        task_id: id(),
        lease: 1,
        ..Default::default()
    };
    assert_eq!(fields(workers.complete_task(complete).await), ["result"]);
    let fail = FailTaskRequest {
        error: Some(TaskError {
            reason: "x".repeat(101),
            message: " ".to_owned(),
        }),
        ..Default::default()
    };
    assert_eq!(
        fields(workers.fail_task(fail).await),
        [
            "request_id",
            "task_id",
            "lease",
            "error.reason",
            "error.message"
        ]
    );
    let fail = FailTaskRequest {
        request_id: id(),
        task_id: id(),
        lease: 1,
        ..Default::default()
    };
    assert_eq!(fields(workers.fail_task(fail).await), ["error"]);
    let release = ReleaseTaskRequest {
        reason: "x".repeat(1_025),
        ..Default::default()
    };
    assert_eq!(
        fields(workers.release_task(release).await),
        ["request_id", "task_id", "lease", "reason"]
    );
}

#[tokio::test]
async fn worker_requests_name_what_is_wrong_in_them() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let mut workers = stack.workers.clone();
    let start = StartWorkerRequest {
        name: "x".repeat(201),
        capabilities: vec!["rust".to_owned(), "a b".to_owned()],
        capacity: 65,
        ..Default::default()
    };
    assert_eq!(
        fields(workers.start_worker(start).await),
        [
            "request_id",
            "executor",
            "name",
            "capabilities[1]",
            "capacity"
        ]
    );
    let start = StartWorkerRequest {
        request_id: id(),
        executor: "claude".to_owned(),
        ..Default::default()
    };
    let unknown = refusal(workers.start_worker(start).await);
    assert_eq!(unknown, (Code::InvalidArgument, "EXECUTOR_UNKNOWN".into()));
    let drain = DrainWorkerRequest {
        deadline: span(13 * 3_600_000),
        ..Default::default()
    };
    assert_eq!(
        fields(workers.drain_worker(drain).await),
        ["request_id", "worker_id", "deadline"]
    );
    let stop = StopWorkerRequest::default();
    assert_eq!(
        fields(workers.stop_worker(stop).await),
        ["request_id", "worker_id"]
    );
    let health = GetWorkerHealthRequest {
        worker_id: "me".to_owned(),
    };
    assert_eq!(
        fields(workers.get_worker_health(health).await),
        ["worker_id"]
    );
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let mut workers = stack.workers.clone();
    let (request_id, worker_id) = (id(), id());
    let unknown = (Code::NotFound, "WORKER_NOT_FOUND".to_owned());
    let health = GetWorkerHealthRequest {
        worker_id: worker_id.clone(),
    };
    assert_eq!(refusal(workers.get_worker_health(health).await), unknown);
    let stop = StopWorkerRequest {
        request_id: request_id.clone(),
        worker_id: worker_id.clone(),
    };
    assert_eq!(refusal(workers.stop_worker(stop).await), unknown);
    let claim = ClaimTaskRequest {
        request_id,
        worker_id,
        epoch: 1,
        wait: None,
    };
    assert_eq!(refusal(workers.claim_task(claim).await), unknown);
    let report = ReportProgressRequest {
        task_id: id(),
        lease: 1,
        ..Default::default()
    };
    let unknown = (Code::NotFound, "TASK_NOT_FOUND".to_owned());
    assert_eq!(refusal(workers.report_progress(report).await), unknown);
}

/// Chats live elsewhere: this process neither stops nor drains them.
#[tokio::test]
async fn only_workers_of_the_process_are_stopped_by_it() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let chat = ChatWorker::at(&stack).await;
    let stop = StopWorkerRequest {
        request_id: id(),
        worker_id: chat.id().to_owned(),
    };
    let refused = refusal(stack.workers.clone().stop_worker(stop).await);
    assert_eq!(refused, (Code::NotFound, "WORKER_NOT_FOUND".into()));
    assert!(chat.claim(0).await.unwrap().is_none());
}
