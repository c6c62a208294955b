//! Stories of schedules: what a submission tells and refuses, and runs that would overlap.

use std::time::{Duration, SystemTime};

use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use shim_runtime::service_error;

use super::test_service::{TestService, id, within};
use super::test_worker::{TestWorker, get, get_job, job, job_of, result, submit};

const SCHEDULES: &str = "{shim.tasks}:schedules";

fn scheduled(schedule: &str) -> SubmitTaskRequest {
    SubmitTaskRequest {
        schedule: schedule.to_owned(),
        ..job("now and then")
    }
}

fn seconds(runs: &[prost_types::Timestamp]) -> Vec<i64> {
    runs.iter().map(|run| run.seconds).collect()
}

#[tokio::test]
async fn a_submission_tells_the_next_three_runs_and_what_they_mean() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let told = submit(&service, scheduled(" 0\t6  * * * ")).await;
    let task = told.task.unwrap();
    assert_eq!(task.schedule, "0 6 * * *");
    assert_eq!(task.overlap(), OverlapPolicy::Skip);
    let runs = seconds(&told.next_runs);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    assert!(runs[0] > i64::try_from(now.unwrap().as_secs()).unwrap());
    assert_eq!(runs[0].rem_euclid(86_400), 6 * 3_600);
    assert_eq!(runs[1..], [runs[0] + 86_400, runs[0] + 2 * 86_400]);
    assert_eq!(task.not_before.unwrap().seconds, runs[0]);
    let [overlap] = &told.notes[..] else {
        panic!("{:?}", told.notes);
    };
    assert!(overlap.contains("left out and counted"), "{overlap}");

    let both_days = SubmitTaskRequest {
        overlap: OverlapPolicy::Allow.into(),
        ..scheduled("0 6 1 * MON")
    };
    let told = submit(&service, both_days).await;
    assert_eq!(told.next_runs.len(), 3);
    assert!(told.notes[0].contains("either of them"), "{:?}", told.notes);
    assert!(told.notes[1].contains("overlap: allow"), "{:?}", told.notes);

    let delayed = SubmitTaskRequest {
        delay: Some(Duration::from_secs(40 * 3_600).try_into().unwrap()),
        ..scheduled("0 6 * * *")
    };
    let told = submit(&service, delayed).await;
    let first = told.next_runs[0].seconds;
    assert!(first == runs[1] || first == runs[2], "{first} {runs:?}");

    let plain = submit(&service, job("once")).await;
    assert_eq!((plain.next_runs.len(), plain.notes.len()), (0, 0));
}

#[tokio::test]
async fn a_wrong_schedule_is_refused_by_its_field() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let refused = async |asked: SubmitTaskRequest| {
        let status = service.tasks.clone().submit_task(asked).await.unwrap_err();
        let mut violations = service_error::decode(&status).violations;
        assert_eq!(violations.len(), 1, "{violations:?}");
        violations.swap_remove(0)
    };
    for (schedule, why) in [
        (
            "0 9 MON * *",
            "day of the month \"MON\": MON is a day of the week",
        ),
        ("* * * * JAN", "day of the week \"JAN\": JAN is a month"),
        ("5,,10 * * * *", "minute \"5,,10\": an item is empty"),
        (", * * * *", "minute \",\": an item is empty"),
        ("@daily", "0 0 * * *"),
        ("0 0 30 2 *", "names a day that never comes"),
    ] {
        let (field, rule) = refused(scheduled(schedule)).await;
        assert_eq!(field, "schedule");
        assert!(rule.contains(why), "{schedule}: {rule}");
    }
    let unasked = SubmitTaskRequest {
        overlap: OverlapPolicy::Allow.into(),
        ..job("once")
    };
    assert_eq!(refused(unasked).await.0, "overlap");
}

async fn until(service: &TestService, task_id: &str, is: impl Fn(&Task) -> bool) -> Task {
    within(async {
        loop {
            let task = get(service, task_id).await;
            if is(&task) {
                return task;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

/// Makes a run due since that long ago; each is another one.
fn make_due(redis: &Redis, schedule_id: &str, since_ms: &str) {
    redis
        .command(&["ZADD", SCHEDULES, since_ms, schedule_id])
        .unwrap();
}

#[tokio::test]
async fn runs_do_not_meet_unless_they_may() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let yearly = submit(&service, scheduled("0 0 1 1 *")).await;
    let schedule_id = yearly.task.unwrap().task_id;
    make_due(&redis, &schedule_id, "1000");
    let first = until(&service, &schedule_id, |task| task.runs == 1).await;
    // Nobody does it, so the next is left out.
    make_due(&redis, &schedule_id, "2000");
    let counted = until(&service, &schedule_id, |task| task.runs_left_out == 1).await;
    assert_eq!(
        (counted.runs, &counted.last_run_id),
        (1, &first.last_run_id)
    );
    let run = get(&service, &first.last_run_id).await;
    assert_eq!(
        (run.scheduled_by, run.schedule),
        (schedule_id.clone(), String::new())
    );
    assert_eq!((run.runs, run.overlap), (0, 0));

    let worker = TestWorker::start(&redis).await;
    let claimed = worker.take().await;
    worker.complete(&claimed, result("done")).await;
    make_due(&redis, &schedule_id, "3000");
    let next = until(&service, &schedule_id, |task| task.runs == 2).await;
    assert_ne!(next.last_run_id, first.last_run_id);
}

#[tokio::test]
async fn a_cancelled_schedule_goes_on_when_it_or_a_part_of_it_is_retried() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let parts = SubmitTaskRequest {
        schedule: "0 0 1 1 *".to_owned(),
        ..job_of(&[("a", &[]), ("b", &["a"])])
    };
    let submitted = submit(&service, parts).await;
    let schedule_id = submitted.task.unwrap().task_id;
    for retried in [&schedule_id, &submitted.subtasks[1].task_id] {
        let cancel = CancelTaskRequest {
            request_id: id(),
            task_id: schedule_id.clone(),
            reason: String::new(),
        };
        service.tasks.clone().cancel_task(cancel).await.unwrap();
        let retry = RetryTaskRequest {
            request_id: id(),
            task_id: retried.clone(),
        };
        let answer = service.tasks.clone().retry_task(retry).await.unwrap();
        assert_eq!(answer.into_inner().retried, 3);
        let (root, parts) = get_job(&service, &schedule_id).await;
        assert_eq!(root.state(), TaskState::Delayed);
        assert_eq!(root.not_before.unwrap().seconds.rem_euclid(86_400), 0);
        assert!(parts.iter().all(|part| part.state() == TaskState::Pending));
    }
    // Nothing of the schedule itself runs.
    assert!(TestWorker::start(&redis).await.try_take().await.is_none());
}

#[tokio::test]
async fn a_kept_schedule_that_cannot_be_read_ends_with_the_reason() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let yearly = submit(&service, scheduled("0 0 1 1 *")).await;
    let schedule_id = yearly.task.unwrap().task_id;
    // As if a later version had kept it.
    let unreadable = "redis.call('SET', KEYS[1], (string.gsub(redis.call('GET', KEYS[1]), '0 0 1 1 [*]', '@sunrise!')))";
    let spec = format!("{{shim.tasks}}:spec:{schedule_id}");
    redis.command(&["EVAL", unreadable, "1", &spec]).unwrap();
    make_due(&redis, &schedule_id, "4000");
    let ended = until(&service, &schedule_id, |task| {
        task.state() == TaskState::Cancelled
    })
    .await;
    let why = ended.error.unwrap().message;
    assert!(
        why.starts_with("its schedule must be five cron fields"),
        "{why}"
    );
}

#[tokio::test]
async fn jobs_on_behalf_of_a_task_are_bounded_and_called_off_with_it() {
    let redis = Redis::start();
    let limits = [("tasks.max_depth", "1"), ("tasks.max_descendants", "2")];
    let service = TestService::start_with(&redis.unix_url(), &limits).await;
    let below = |parent: &Task| SubmitTaskRequest {
        parent_id: parent.task_id.clone(),
        ..job("a child")
    };
    let refused = async |asked: SubmitTaskRequest| {
        let status = service.tasks.clone().submit_task(asked).await.unwrap_err();
        let decoded = service_error::decode(&status);
        (decoded.reason, decoded.message)
    };
    let first = submit(&service, job("first")).await.task.unwrap();
    let second = submit(&service, below(&first)).await.task.unwrap();
    assert_eq!((&second.parent_id, second.depth), (&first.task_id, 1));
    let (reason, message) = refused(below(&second)).await;
    assert_eq!(reason, "LINEAGE_LIMIT");
    assert!(
        message.contains("2 jobs deep") && message.contains("tasks.max_depth"),
        "{message}"
    );
    submit(&service, below(&first)).await;
    let (reason, message) = refused(below(&first)).await;
    assert_eq!(reason, "LINEAGE_LIMIT");
    assert!(message.contains("tasks.max_descendants"), "{message}");

    let cancel = CancelTaskRequest {
        request_id: id(),
        task_id: first.task_id.clone(),
        reason: String::new(),
    };
    let cancelled = service.tasks.clone().cancel_task(cancel).await.unwrap();
    assert_eq!(cancelled.into_inner().cancelled, 3);
    let second = get(&service, &second.task_id).await;
    assert_eq!(second.state(), TaskState::Cancelled);
    assert_eq!(refused(below(&first)).await.0, "PARENT_CANCELLED");

    let nobody = Task {
        task_id: id(),
        ..Task::default()
    };
    assert_eq!(refused(below(&nobody)).await.0, "TASK_NOT_FOUND");
    let no_id = SubmitTaskRequest {
        parent_id: "me".to_owned(),
        ..job("a child")
    };
    assert_eq!(refused(no_id).await.0, "BAD_REQUEST");
}
