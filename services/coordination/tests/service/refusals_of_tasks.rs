//! A refused submission or decision on a task leaves nothing behind in Redis.

use shim_proto::coordination::v1::*;
use shim_proto::limits::task::{MAX_CALLER_QUEUES, MAX_JOB_QUEUES};
use shim_redis_harness::Redis;

use super::refusals::{Refusals, job, needs};
use super::test_service::{TestService, id};

fn job_of(name: &str, count: usize) -> SubmitTaskRequest {
    let part = |n: usize| Subtask {
        key: n.to_string(),
        goal: "part".to_owned(),
        requirements: needs(&format!("{name}-{n}")),
        ..Subtask::default()
    };
    SubmitTaskRequest {
        subtasks: (0..count).map(part).collect(),
        ..job(name)
    }
}

#[tokio::test]
async fn a_refused_job_leaves_nothing_and_the_next_one_is_taken() {
    let redis = Redis::start();
    let service = TestService::start_with(&redis.unix_url(), &[("tasks.max_depth", "0")]).await;
    let tasks = || service.tasks.clone();
    let refusals = Refusals::of(&redis);
    let many = tasks()
        .submit_task(job_of("made-up", 300))
        .await
        .unwrap_err();
    let violations = decode(&many).violations;
    assert_eq!(violations[0].0, "subtasks");
    assert!(
        violations[0].1.contains("300") && violations[0].1.contains("at most 64"),
        "{many}"
    );
    refusals
        .leaves_nothing("BAD_REQUEST", tasks().submit_task(job_of("other", 300)))
        .await;
    let orphan = SubmitTaskRequest {
        parent_id: id(),
        requirements: needs("orphan"),
        ..job("below")
    };
    refusals
        .leaves_nothing("TASK_NOT_FOUND", tasks().submit_task(orphan))
        .await;

    let first = tasks()
        .submit_task(job("plain"))
        .await
        .unwrap()
        .into_inner();
    let refusals = Refusals::of(&redis);
    let too_deep = SubmitTaskRequest {
        parent_id: first.task.unwrap().task_id,
        requirements: needs("deep"),
        ..job("below")
    };
    refusals
        .leaves_nothing("LINEAGE_LIMIT", tasks().submit_task(too_deep))
        .await;

    for n in 0..MAX_CALLER_QUEUES / MAX_JOB_QUEUES {
        let full = job_of(&format!("job-{n}"), MAX_JOB_QUEUES);
        tasks().submit_task(full).await.unwrap();
    }
    let refusals = Refusals::of(&redis);
    let one_more = SubmitTaskRequest {
        requirements: needs("one-more"),
        ..job("more")
    };
    refusals
        .leaves_nothing("TOO_MANY_TASKS", tasks().submit_task(one_more.clone()))
        .await;
    let refused = tasks().submit_task(one_more).await.unwrap_err();
    let whose = "256 of at most 256 are in use by user ";
    assert!(refused.message().contains(whose), "{refused}");
    tasks().submit_task(job("plain, too")).await.unwrap();
    let known = SubmitTaskRequest {
        requirements: needs("job-0-0"),
        ..job("as others")
    };
    tasks().submit_task(known).await.unwrap();
    let health = tasks()
        .queue_health(QueueHealthRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!((health.caller_queues, health.max_caller_queues), (256, 256));
    assert_eq!((health.queues_in_use, health.max_queues), (257, 512));
}

#[tokio::test]
async fn refused_decisions_on_tasks_leave_nothing() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let tasks = || service.tasks.clone();
    let made = tasks().submit_task(job("one")).await.unwrap().into_inner();
    let task_id = made.task.unwrap().task_id;
    let refusals = Refusals::of(&redis);
    let retry = |task_id: String| RetryTaskRequest {
        request_id: id(),
        task_id,
    };
    refusals
        .leaves_nothing("TASK_NOT_FOUND", tasks().retry_task(retry(id())))
        .await;
    refusals
        .leaves_nothing(
            "TASK_NOT_RETRYABLE",
            tasks().retry_task(retry(task_id.clone())),
        )
        .await;
    let cancel = CancelTaskRequest {
        request_id: id(),
        task_id: id(),
        ..CancelTaskRequest::default()
    };
    refusals
        .leaves_nothing("TASK_NOT_FOUND", tasks().cancel_task(cancel))
        .await;
    let approve = ApproveTaskRequest {
        request_id: id(),
        task_id,
        ..ApproveTaskRequest::default()
    };
    refusals
        .leaves_nothing("TASK_NOT_AWAITING_APPROVAL", tasks().approve_task(approve))
        .await;
    let pause = PauseQueuesRequest {
        request_id: id(),
        queues: vec!["work".to_owned(), "nowhere".to_owned()],
    };
    refusals
        .leaves_nothing("BAD_REQUEST", tasks().pause_queues(pause))
        .await;
    let resume = ResumeQueuesRequest {
        request_id: id(),
        queues: vec!["nowhere".to_owned()],
    };
    refusals
        .leaves_nothing("BAD_REQUEST", tasks().resume_queues(resume))
        .await;
}
