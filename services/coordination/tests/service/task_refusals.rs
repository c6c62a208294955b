//! Stories of refused requests about tasks, and of the reasons that the refusals give.

use std::time::{Duration, SystemTime};

use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use shim_runtime::service_error;
use tonic::Code;

use super::test_service::{TestService, id, object, refusal, span};
use super::test_worker::{job, job_of};

#[tokio::test]
async fn a_cycle_is_refused_with_its_keys() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let asked = job_of(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("d", &[])]);
    let status = service.tasks.submit_task(asked).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let decoded = service_error::decode(&status);
    assert_eq!(
        decoded.violations,
        [(
            "subtasks".to_owned(),
            "wait for each other in a circle: a -> b -> c -> a".to_owned()
        )]
    );
    let listed = service.tasks.list_tasks(ListTasksRequest::default()).await;
    assert_eq!(listed.unwrap().into_inner().tasks, []);
}

#[tokio::test]
async fn one_refusal_names_every_wrong_field() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let wrong = SubmitTaskRequest {
        request_id: String::new(),
        goal: " ".to_owned(),
        files: vec![FileHint {
            path: "src/[".to_owned(),
            size_bytes: 0,
        }],
        merge: 9,
        priority: 101,
        max_attempts: 21,
        schedule: "every day".to_owned(),
        delay: span(31 * 24 * 3_600_000),
        timeout: span(10),
        submitted_by: "me".to_owned(),
        requirements: Some(Requirements {
            executor: 77,
            capabilities: vec!["no spaces".to_owned()],
        }),
        subtasks: vec![Subtask {
            key: "k".repeat(101),
            depends_on: vec!["nobody".to_owned()],
            weight: -1.0,
            ..Subtask::default()
        }],
        ..Default::default()
    };
    let status = service.tasks.submit_task(wrong).await.unwrap_err();
    let decoded = service_error::decode(&status);
    assert_eq!(decoded.reason, "BAD_REQUEST");
    let mut fields: Vec<_> = decoded
        .violations
        .iter()
        .map(|(field, _)| field.as_str())
        .collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "delay",
            "files[0].path",
            "goal",
            "max_attempts",
            "merge",
            "priority",
            "request_id",
            "requirements.capabilities[0]",
            "requirements.executor",
            "schedule",
            "submitted_by",
            "subtasks[0].goal",
            "subtasks[0].key",
            "subtasks[0].weight",
            "timeout",
            "workspace",
        ],
        "{decoded}"
    );
    // The list ends with the number of the remaining violations.
    assert!(
        status.message().ends_with("and 1 more"),
        "{}",
        status.message()
    );
}

#[tokio::test]
async fn a_deadline_must_be_in_the_future_and_excludes_a_schedule() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let refused = async |asked: SubmitTaskRequest| {
        let status = service.tasks.clone().submit_task(asked).await.unwrap_err();
        service_error::decode(&status).violations
    };
    let (past, soon) = (
        SystemTime::UNIX_EPOCH,
        SystemTime::now() + Duration::from_secs(3_600),
    );
    let decoded = refused(SubmitTaskRequest {
        deadline: Some(past.into()),
        ..job("late")
    })
    .await;
    assert_eq!(decoded[0].0, "deadline");
    let decoded = refused(SubmitTaskRequest {
        deadline: Some(soon.into()),
        delay: span(2 * 3_600_000),
        ..job("too late")
    })
    .await;
    assert_eq!(decoded[0].0, "deadline");
    let decoded = refused(SubmitTaskRequest {
        deadline: Some(soon.into()),
        schedule: "0 0 * * *".to_owned(),
        ..job("daily")
    })
    .await;
    assert!(
        decoded[0].1.starts_with("cannot go with a schedule"),
        "{decoded:?}"
    );
    let decoded = refused(SubmitTaskRequest {
        schedule: "0 0 30 2 *".to_owned(),
        ..job("never")
    })
    .await;
    assert_eq!(
        decoded,
        [(
            "schedule".to_owned(),
            "names a day that never comes".to_owned()
        )]
    );
}

#[tokio::test]
async fn the_size_that_subtasks_take_over_is_bounded() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let keys: Vec<_> = (0..1_000).map(|n| n.to_string()).collect();
    let subtasks: Vec<(&str, &[&str])> = keys
        .iter()
        .map(|key| (key.as_str(), [].as_slice()))
        .collect();
    let asked = SubmitTaskRequest {
        payload: Some(object(&[("x", &"x".repeat(60_000))])),
        ..job_of(&subtasks)
    };
    let status = service.tasks.submit_task(asked).await.unwrap_err();
    let decoded = service_error::decode(&status).violations;
    assert_eq!(decoded[0].0, "subtasks");
    assert!(
        decoded[0].1.contains("at most 8388608 are allowed"),
        "{decoded:?}"
    );
}

#[tokio::test]
async fn a_list_refuses_unknown_filters() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let refused_list = async |request: ListTasksRequest| {
        let status = service.tasks.clone().list_tasks(request).await.unwrap_err();
        let decoded = service_error::decode(&status);
        (
            decoded.reason,
            decoded
                .violations
                .into_iter()
                .map(|(field, _)| field)
                .collect::<Vec<_>>(),
        )
    };
    let wrong = ListTasksRequest {
        states: vec![0, 99],
        page_size: 501,
        page_token: "6162".to_owned(),
        ..Default::default()
    };
    let (reason, fields) = refused_list(wrong).await;
    assert_eq!(reason, "BAD_REQUEST");
    assert_eq!(
        fields,
        ["states[0]", "states[1]", "page_size", "page_token"]
    );
    let nobody = ListTasksRequest {
        root_id: id(),
        ..Default::default()
    };
    assert_eq!(refused_list(nobody).await.0, "TASK_NOT_FOUND");
}

#[tokio::test]
async fn an_unknown_task_is_not_found() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let mut tasks = service.tasks.clone();
    let (task_id, request_id) = (id(), id);
    let refusals = [
        refusal(
            tasks
                .get_task(GetTaskRequest {
                    task_id: task_id.clone(),
                    with_subtasks: true,
                })
                .await,
        ),
        refusal(
            tasks
                .watch_task(WatchTaskRequest {
                    task_id: task_id.clone(),
                    ..Default::default()
                })
                .await
                .map(drop),
        ),
        refusal(
            tasks
                .cancel_task(CancelTaskRequest {
                    request_id: request_id(),
                    task_id: task_id.clone(),
                    ..Default::default()
                })
                .await,
        ),
        refusal(
            tasks
                .retry_task(RetryTaskRequest {
                    request_id: request_id(),
                    task_id: task_id.clone(),
                })
                .await,
        ),
        refusal(
            tasks
                .approve_task(ApproveTaskRequest {
                    request_id: request_id(),
                    task_id: task_id.clone(),
                    ..Default::default()
                })
                .await,
        ),
        refusal(
            tasks
                .aggregate_results(AggregateResultsRequest { task_id, merge: 0 })
                .await,
        ),
    ];
    for refused in refusals {
        assert_eq!(refused, (Code::NotFound, "TASK_NOT_FOUND".into()));
    }
}
