//! Stories of what holds tasks up though a worker is free: a paused queue, a limit, a lease on files.

use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use shim_runtime::service_error::decode;
use tonic::Code;

use super::test_service::{TestService, id};
use super::test_worker::{ANY_QUEUE, TestWorker, get, job, job_of, submit};

const META: &str = "{shim.tasks}:work:meta";

async fn pause(service: &TestService, request_id: &str, queues: &[&str]) -> PauseQueuesResponse {
    let request = PauseQueuesRequest {
        request_id: request_id.to_owned(),
        queues: queues.iter().map(|name| (*name).to_owned()).collect(),
    };
    let mut tasks = service.tasks.clone();
    tasks.pause_queues(request).await.unwrap().into_inner()
}

async fn resume(service: &TestService, queues: &[&str]) -> ResumeQueuesResponse {
    let request = ResumeQueuesRequest {
        request_id: id(),
        queues: queues.iter().map(|name| (*name).to_owned()).collect(),
    };
    let mut tasks = service.tasks.clone();
    tasks.resume_queues(request).await.unwrap().into_inner()
}

async fn queue(service: &TestService, name: &str) -> QueueReport {
    let mut tasks = service.tasks.clone();
    let health = tasks.queue_health(QueueHealthRequest {}).await.unwrap();
    let queues = health.into_inner().queues;
    queues.into_iter().find(|queue| queue.name == name).unwrap()
}

#[tokio::test]
async fn nobody_gets_a_task_of_a_paused_queue_until_it_is_resumed() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = TestWorker::start(&redis).await;
    let task_id = submit(&service, job("one")).await.task.unwrap().task_id;
    let request_id = id();
    let first = pause(&service, &request_id, &[]).await;
    assert_eq!(
        (first.queues.as_slice(), first.changed.as_slice()),
        (&["work".to_owned()][..], &["work".to_owned()][..])
    );
    assert_eq!(
        pause(&service, &request_id, &[]).await,
        first,
        "a repeated request has one answer"
    );
    assert!(pause(&service, &id(), &["work"]).await.changed.is_empty());

    assert!(worker.try_take().await.is_none());
    let report = queue(&service, ANY_QUEUE).await;
    assert!(report.paused && report.waiting == 1, "{report:?}");
    assert!(get(&service, &task_id).await.queue_paused);

    assert_eq!(resume(&service, &["work"]).await.changed, ["work"]);
    assert!(resume(&service, &[]).await.changed.is_empty());
    assert!(!queue(&service, ANY_QUEUE).await.paused);
    assert_eq!(worker.take().await.task.task_id, task_id);
    let request = ResumeQueuesRequest {
        request_id,
        queues: Vec::new(),
    };
    let reused = service.tasks.clone().resume_queues(request).await;
    assert_eq!(decode(&reused.unwrap_err()).reason, "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn one_queue_of_several_is_paused() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = TestWorker::start(&redis).await;
    let special = SubmitTaskRequest {
        requirements: Some(Requirements {
            executor: WorkerKind::Agent.into(),
            capabilities: Vec::new(),
        }),
        ..job("for agents")
    };
    submit(&service, special).await;
    submit(&service, job("for anyone")).await;
    pause(&service, &id(), &["work.agent"]).await;
    assert!(queue(&service, "work.agent").await.paused);
    assert!(!queue(&service, ANY_QUEUE).await.paused);
    assert_eq!(worker.take().await.task.goal, "for anyone");

    let request = PauseQueuesRequest {
        request_id: id(),
        queues: vec!["work".into(), "cobol".into()],
    };
    let refused = service.tasks.clone().pause_queues(request).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("queues[1]"), "{refused:?}");
    assert!(
        !queue(&service, ANY_QUEUE).await.paused,
        "nothing was paused"
    );
}

#[tokio::test]
async fn a_queue_of_an_older_bullmq_client_is_resumed_with_its_jobs() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = TestWorker::start(&redis).await;
    for goal in ["one", "two"] {
        submit(&service, job(goal)).await;
    }
    // What BullMQ before version 6 did with jobs without a priority.
    let wait = "{shim.tasks}:work:prioritized";
    let jobs = redis.command(&["ZRANGE", wait, "0", "-1"]).unwrap();
    for job in jobs.items() {
        let job = job.text().unwrap();
        redis.command(&["ZREM", wait, job]).unwrap();
        redis
            .command(&[
                "HSET",
                &format!("{{shim.tasks}}:work:{job}"),
                "priority",
                "0",
            ])
            .unwrap();
        redis
            .command(&["LPUSH", "{shim.tasks}:work:paused", job])
            .unwrap();
    }
    redis.command(&["HSET", META, "paused", "1"]).unwrap();
    let report = queue(&service, ANY_QUEUE).await;
    assert!(report.paused && report.waiting == 2, "{report:?}");
    resume(&service, &[]).await;
    for goal in ["one", "two"] {
        assert_eq!(worker.take().await.task.goal, goal);
    }
}

#[tokio::test]
async fn limits_that_other_programs_set_are_told() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    submit(&service, job("one")).await;
    redis
        .command(&[
            "HSET",
            META,
            "max",
            "2",
            "duration",
            "60000",
            "concurrency",
            "3",
        ])
        .unwrap();
    let report = queue(&service, ANY_QUEUE).await;
    assert_eq!((report.rate_limited_for, report.max_active), (None, 3));
    redis
        .command(&["SET", "{shim.tasks}:work:limiter", "2", "PX", "60000"])
        .unwrap();
    let left = queue(&service, ANY_QUEUE).await.rate_limited_for.unwrap();
    assert!((1..=60).contains(&left.seconds), "{left:?}");
}

#[tokio::test]
async fn a_ready_task_names_who_leases_its_files_what_for_and_until_when() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let request = AcquireFilesRequest {
        request_id: id(),
        workspace: "repo".into(),
        holder: "ada".into(),
        purpose: "a refactoring".into(),
        patterns: vec!["src/**".into()],
        ..Default::default()
    };
    service.locks.clone().acquire_files(request).await.unwrap();
    let mut asked = job_of(&[("held", &[]), ("free", &[])]);
    asked.workspace = "repo".into();
    asked.subtasks[0].files = vec!["src/a.rs".into()];
    asked.subtasks[1].files = vec!["docs/a.md".into()];
    let answer = submit(&service, asked).await;
    let root_id = answer.task.unwrap().task_id;

    let request = GetTaskRequest {
        task_id: root_id.clone(),
        with_subtasks: true,
    };
    let parts = service
        .tasks
        .clone()
        .get_task(request)
        .await
        .unwrap()
        .into_inner()
        .subtasks;
    let wait = parts[0].file_wait.clone().unwrap();
    assert_eq!(
        (
            wait.wanted.as_str(),
            wait.pattern.as_str(),
            wait.holder.as_str(),
            wait.purpose.as_str()
        ),
        ("src/a.rs", "src/**", "ada", "a refactoring")
    );
    assert!(wait.since.is_some() && wait.until.is_some());
    assert_eq!(parts[1].file_wait, None);
    let request = ListTasksRequest {
        root_id,
        ..Default::default()
    };
    let listed = service
        .tasks
        .clone()
        .list_tasks(request)
        .await
        .unwrap()
        .into_inner()
        .tasks;
    assert_eq!(listed[0].file_wait, Some(wait));
    // Another part that has them says what it is about.
    let worker = TestWorker::start(&redis).await;
    let taken = worker.take().await;
    assert_eq!(taken.task.key, "free");
    let mut other = job("another");
    other.workspace = "repo".into();
    other.files = vec![FileHint {
        path: "docs/**".into(),
        size_bytes: 0,
    }];
    other.split = SplitPolicy::Never.into();
    let other = submit(&service, other).await.task.unwrap().task_id;
    let wait = get(&service, &other).await.file_wait.unwrap();
    assert_eq!(wait.holder, taken.task.task_id);
    assert_eq!(wait.purpose, format!("task: {}", taken.task.goal));
}
