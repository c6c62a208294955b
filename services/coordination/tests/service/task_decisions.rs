//! Stories of decisions on tasks: called off, taken up again, approved and turned down.

use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use tonic::{Code, Status};

use super::house::{House, id, refusal};
use super::task_crew::{Crew, get, job, job_now, job_of, result, states, submit};
use TaskState::{AwaitingApproval, Cancelled, Completed, Failed, Pending, Ready, Running};

async fn cancel(house: &House, task_id: &str) -> CancelTaskResponse {
    let request = CancelTaskRequest {
        request_id: id(),
        task_id: task_id.to_owned(),
        reason: "the plan changed".to_owned(),
    };
    let mut tasks = house.tasks.clone();
    tasks.cancel_task(request).await.unwrap().into_inner()
}

async fn retry(house: &House, task_id: &str) -> Result<RetryTaskResponse, Status> {
    let request = RetryTaskRequest {
        request_id: id(),
        task_id: task_id.to_owned(),
    };
    let mut tasks = house.tasks.clone();
    Ok(tasks.retry_task(request).await?.into_inner())
}

async fn decide(house: &House, task_id: &str, reject: bool) -> Result<Task, Status> {
    let request = ApproveTaskRequest {
        request_id: id(),
        task_id: task_id.to_owned(),
        reject,
        reason: String::new(),
    };
    let mut tasks = house.tasks.clone();
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
async fn a_job_is_called_off_with_all_its_subtasks() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let crew = Crew::on(&redis).await;
    let answer = submit(&house, job_of(&[("a", &[]), ("b", &["a"]), ("c", &[])])).await;
    let root_id = answer.task.unwrap().task_id;
    let taken = crew.take().await;

    let request = CancelTaskRequest {
        request_id: id(),
        task_id: root_id.clone(),
        reason: "the plan changed".to_owned(),
    };
    let mut tasks = house.tasks.clone();
    let first = tasks
        .cancel_task(request.clone())
        .await
        .unwrap()
        .into_inner();
    let again = tasks.cancel_task(request).await.unwrap().into_inner();
    assert_eq!((first.cancelled, again.cancelled), (4, 4));
    assert_eq!(first.task.unwrap().state(), Cancelled);
    assert_eq!(states(&house, &root_id).await, [Cancelled; 3]);
    assert_eq!(cancel(&house, &root_id).await.cancelled, 0);

    let task = get(&house, &taken.task.task_id).await;
    assert_eq!(task.error.unwrap().message, "the plan changed");
    assert!(crew.look().await.is_none());
}

#[tokio::test]
async fn a_failed_job_is_taken_up_again_where_it_failed() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let crew = Crew::on(&redis).await;
    let asked = SubmitTaskRequest {
        on_failure: FailurePolicy::Continue.into(),
        ..job_of(&[("a", &[]), ("b", &["a"]), ("c", &[])])
    };
    let root_id = submit(&house, asked).await.task.unwrap().task_id;
    for _ in 0..2 {
        let claimed = crew.take().await;
        match claimed.task.key.as_str() {
            "a" => crew.fail(&claimed, "no disk").await,
            _ => crew.complete(&claimed, result("c is done")).await,
        };
    }
    let (root, subtasks) = job_now(&house, &root_id).await;
    assert_eq!(root.state(), Failed);
    let told: Vec<_> = subtasks.iter().map(Task::state).collect();
    assert_eq!(told, [Failed, Cancelled, Completed]);
    assert_eq!(subtasks[0].error.as_ref().unwrap().message, "no disk");
    assert_eq!(
        subtasks[1].error.as_ref().unwrap().reason,
        "DEPENDENCY_FAILED"
    );

    let answer = retry(&house, &root_id).await.unwrap();
    assert_eq!((answer.retried, answer.task.unwrap().state()), (2, Running));
    assert_eq!(states(&house, &root_id).await, [Ready, Pending, Completed]);
    for key in ["a", "b"] {
        let claimed = crew.take().await;
        assert_eq!(claimed.task.key, key);
        crew.complete(&claimed, result("")).await;
    }
    assert_eq!(get(&house, &root_id).await.state(), Completed);
    let refused = refusal(retry(&house, &root_id).await);
    assert_eq!(
        refused,
        (Code::FailedPrecondition, "TASK_NOT_RETRYABLE".into())
    );
}

#[tokio::test]
async fn nobody_starts_a_job_before_it_is_approved() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let crew = Crew::on(&redis).await;
    let task = submit(&house, gated(true, false, job("Drop the table")))
        .await
        .task
        .unwrap();
    assert_eq!(task.state(), AwaitingApproval);
    assert!(crew.look().await.is_none());
    assert_eq!(
        decide(&house, &task.task_id, false).await.unwrap().state(),
        Ready
    );
    assert_eq!(crew.take().await.task.task_id, task.task_id);
    let refused = refusal(decide(&house, &task.task_id, false).await);
    let expected = (
        Code::FailedPrecondition,
        "TASK_NOT_AWAITING_APPROVAL".into(),
    );
    assert_eq!(refused, expected);
}

#[tokio::test]
async fn a_start_that_is_turned_down_is_called_off() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let task = submit(&house, gated(true, false, job("Drop the table")))
        .await
        .task
        .unwrap();
    let turned_down = decide(&house, &task.task_id, true).await.unwrap();
    assert_eq!(turned_down.state(), Cancelled);
    assert_eq!(turned_down.error.unwrap().reason, "REJECTED");
}

#[tokio::test]
async fn a_result_counts_when_it_is_approved() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let crew = Crew::on(&redis).await;
    let mut asked = job_of(&[("draft", &[]), ("print", &["draft"])]);
    asked.subtasks[0].approval = Some(ApprovalGates {
        before_start: false,
        before_result: true,
    });
    let answer = submit(&house, asked).await;
    let draft = crew.take().await;
    crew.complete(&draft, result("Once upon a time")).await;
    let root_id = answer.task.unwrap().task_id;
    assert_eq!(states(&house, &root_id).await, [AwaitingApproval, Pending]);
    let waiting = get(&house, &draft.task.task_id).await;
    assert_eq!(waiting.result.unwrap().text, "Once upon a time");

    decide(&house, &draft.task.task_id, false).await.unwrap();
    assert_eq!(states(&house, &root_id).await, [Completed, Ready]);
    let print = crew.take().await;
    assert_eq!(print.task.key, "print");
}

#[tokio::test]
async fn a_result_that_is_turned_down_fails_the_job() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let crew = Crew::on(&redis).await;
    let asked = gated(false, true, job_of(&[("a", &[]), ("b", &[])]));
    let root_id = submit(&house, asked).await.task.unwrap().task_id;
    for _ in 0..2 {
        let claimed = crew.take().await;
        crew.complete(&claimed, result("done")).await;
    }
    // The result of the whole is approved once.
    assert_eq!(states(&house, &root_id).await, [Completed; 2]);
    assert_eq!(get(&house, &root_id).await.state(), AwaitingApproval);
    let turned_down = decide(&house, &root_id, true).await.unwrap();
    assert_eq!(turned_down.state(), Failed);
    assert_eq!(turned_down.error.unwrap().reason, "REJECTED");
}
