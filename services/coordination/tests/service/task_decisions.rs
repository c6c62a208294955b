//! Stories of decisions on tasks: cancelled, retried, approved and rejected.

use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use shim_runtime::service_error::decode;
use tonic::{Code, Status};

use super::test_service::{TestService, id, refusal};
use super::test_worker::{TestWorker, get, get_job, job, job_of, result, states, submit};
use TaskState::{AwaitingApproval, Cancelled, Completed, Failed, Pending, Ready, Running};

async fn cancel(service: &TestService, task_id: &str) -> CancelTaskResponse {
    let request = CancelTaskRequest {
        request_id: id(),
        task_id: task_id.to_owned(),
        reason: "the plan changed".to_owned(),
    };
    let mut tasks = service.tasks.clone();
    tasks.cancel_task(request).await.unwrap().into_inner()
}

async fn retry(service: &TestService, task_id: &str) -> Result<RetryTaskResponse, Status> {
    let request = RetryTaskRequest {
        request_id: id(),
        task_id: task_id.to_owned(),
    };
    let mut tasks = service.tasks.clone();
    Ok(tasks.retry_task(request).await?.into_inner())
}

async fn decide(service: &TestService, task_id: &str, reject: bool) -> Result<Task, Status> {
    let request = ApproveTaskRequest {
        request_id: id(),
        task_id: task_id.to_owned(),
        reject,
        reason: String::new(),
    };
    let mut tasks = service.tasks.clone();
    let answer = tasks.approve_task(request).await?.into_inner();
    Ok(answer.task.unwrap())
}

fn gated(before_start: bool, before_result: bool, job: SubmitTaskRequest) -> SubmitTaskRequest {
    SubmitTaskRequest {
        approval: Some(ApprovalGates {
            before_start,
            before_result,
        }),
        ..job
    }
}

#[tokio::test]
async fn a_job_is_cancelled_with_all_its_subtasks() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = TestWorker::start(&redis).await;
    let answer = submit(&service, job_of(&[("a", &[]), ("b", &["a"]), ("c", &[])])).await;
    let root_id = answer.task.unwrap().task_id;
    let taken = worker.take().await;

    let request = CancelTaskRequest {
        request_id: id(),
        task_id: root_id.clone(),
        reason: "the plan changed".to_owned(),
    };
    let mut tasks = service.tasks.clone();
    let first = tasks
        .cancel_task(request.clone())
        .await
        .unwrap()
        .into_inner();
    let again = tasks.cancel_task(request).await.unwrap().into_inner();
    assert_eq!((first.cancelled, again.cancelled), (4, 4));
    assert_eq!(first.task.unwrap().state(), Cancelled);
    assert_eq!(states(&service, &root_id).await, [Cancelled; 3]);
    assert_eq!(cancel(&service, &root_id).await.cancelled, 0);

    let task = get(&service, &taken.task.task_id).await;
    assert_eq!(task.error.unwrap().message, "the plan changed");
    assert!(worker.try_take().await.is_none());
}

#[tokio::test]
async fn a_failed_job_is_retried_where_it_failed() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = TestWorker::start(&redis).await;
    let asked = SubmitTaskRequest {
        on_failure: FailurePolicy::Continue.into(),
        ..job_of(&[("a", &[]), ("b", &["a"]), ("c", &[])])
    };
    let root_id = submit(&service, asked).await.task.unwrap().task_id;
    for _ in 0..2 {
        let claimed = worker.take().await;
        match claimed.task.key.as_str() {
            "a" => worker.fail(&claimed, "no disk").await,
            _ => worker.complete(&claimed, result("c is done")).await,
        };
    }
    let (root, subtasks) = get_job(&service, &root_id).await;
    assert_eq!(root.state(), Failed);
    let reached: Vec<_> = subtasks.iter().map(Task::state).collect();
    assert_eq!(reached, [Failed, Cancelled, Completed]);
    assert_eq!(subtasks[0].error.as_ref().unwrap().message, "no disk");
    assert_eq!(
        subtasks[1].error.as_ref().unwrap().reason,
        "DEPENDENCY_FAILED"
    );

    let answer = retry(&service, &root_id).await.unwrap();
    assert_eq!((answer.retried, answer.task.unwrap().state()), (2, Running));
    assert_eq!(
        states(&service, &root_id).await,
        [Ready, Pending, Completed]
    );
    for key in ["a", "b"] {
        let claimed = worker.take().await;
        assert_eq!(claimed.task.key, key);
        worker.complete(&claimed, result("")).await;
    }
    assert_eq!(get(&service, &root_id).await.state(), Completed);
    let refused = refusal(retry(&service, &root_id).await);
    assert_eq!(
        refused,
        (Code::FailedPrecondition, "TASK_NOT_RETRYABLE".into())
    );
}

#[tokio::test]
async fn no_worker_gets_a_job_before_it_is_approved() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = TestWorker::start(&redis).await;
    let task = submit(&service, gated(true, false, job("Drop the table")))
        .await
        .task
        .unwrap();
    assert_eq!(task.state(), AwaitingApproval);
    assert!(worker.try_take().await.is_none());
    assert_eq!(
        decide(&service, &task.task_id, false)
            .await
            .unwrap()
            .state(),
        Ready
    );
    assert_eq!(worker.take().await.task.task_id, task.task_id);
    let refused = refusal(decide(&service, &task.task_id, false).await);
    let expected = (
        Code::FailedPrecondition,
        "TASK_NOT_AWAITING_APPROVAL".into(),
    );
    assert_eq!(refused, expected);
}

#[tokio::test]
async fn a_job_with_a_rejected_start_is_cancelled() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let task = submit(&service, gated(true, false, job("Drop the table")))
        .await
        .task
        .unwrap();
    let turned_down = decide(&service, &task.task_id, true).await.unwrap();
    assert_eq!(turned_down.state(), Cancelled);
    assert_eq!(turned_down.error.unwrap().reason, "REJECTED");
}

#[tokio::test]
async fn a_result_counts_once_it_is_approved() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = TestWorker::start(&redis).await;
    let mut asked = job_of(&[("draft", &[]), ("print", &["draft"])]);
    asked.subtasks[0].approval = Some(ApprovalGates {
        before_start: false,
        before_result: true,
    });
    let answer = submit(&service, asked).await;
    let draft = worker.take().await;
    worker.complete(&draft, result("Once upon a time")).await;
    let root_id = answer.task.unwrap().task_id;
    assert_eq!(
        states(&service, &root_id).await,
        [AwaitingApproval, Pending]
    );
    let waiting = get(&service, &draft.task.task_id).await;
    assert_eq!(waiting.result.unwrap().text, "Once upon a time");

    decide(&service, &draft.task.task_id, false).await.unwrap();
    assert_eq!(states(&service, &root_id).await, [Completed, Ready]);
    let print = worker.take().await;
    assert_eq!(print.task.key, "print");
}

#[tokio::test]
async fn a_rejected_result_fails_the_job() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = TestWorker::start(&redis).await;
    let asked = gated(false, true, job_of(&[("a", &[]), ("b", &[])]));
    let root_id = submit(&service, asked).await.task.unwrap().task_id;
    for _ in 0..2 {
        let claimed = worker.take().await;
        worker.complete(&claimed, result("done")).await;
    }
    // Only the result of the whole job needs approval.
    assert_eq!(states(&service, &root_id).await, [Completed; 2]);
    assert_eq!(get(&service, &root_id).await.state(), AwaitingApproval);
    let turned_down = decide(&service, &root_id, true).await.unwrap();
    assert_eq!(turned_down.state(), Failed);
    assert_eq!(turned_down.error.unwrap().reason, "REJECTED");
}

#[tokio::test]
async fn a_job_that_runs_names_the_parts_that_can_be_retried() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = TestWorker::start(&redis).await;
    let asked = SubmitTaskRequest {
        on_failure: FailurePolicy::Continue.into(),
        ..job_of(&[("a", &[]), ("b", &["a"]), ("c", &[])])
    };
    let root_id = submit(&service, asked).await.task.unwrap().task_id;
    let refused = retry(&service, &root_id).await.unwrap_err();
    assert_eq!(
        decode(&refused).remedy.as_deref(),
        Some("cancel it first, or submit it anew")
    );
    let claimed = worker.take().await;
    worker.fail(&claimed, "no disk").await;

    let refused = retry(&service, &root_id).await.unwrap_err();
    assert_eq!(decode(&refused).reason, "TASK_NOT_RETRYABLE");
    let part = &claimed.task.task_id;
    assert!(
        refused.message().contains(&format!("here a ({part}), b (")),
        "{refused:?}"
    );
    // The remedy works where it is printed.
    assert_eq!(retry(&service, part).await.unwrap().retried, 2);
    for _ in 0..3 {
        worker.complete(&worker.take().await, result("done")).await;
    }
    let refused = retry(&service, &root_id).await.unwrap_err();
    assert_eq!(decode(&refused).remedy.as_deref(), Some("submit it anew"));
}
