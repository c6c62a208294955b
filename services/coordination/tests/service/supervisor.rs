//! Stories of the supervisor: what is due happens once, with any number of processes, which may be killed or suspended.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use tonic::Code;

use super::test_service::{TestService, id, refusal, within};
use super::test_worker::{TestWorker, get, job, result, submit};

const LOCK: &str = "{shim.tasks}:lock:supervisor";
const SCHEDULES: &str = "{shim.tasks}:schedules";
/// The variable that names the Redis server to a child process of these stories.
const REDIS: &str = "STORY_REDIS";

/// The events of a job that has ended.
async fn events(service: &TestService, task_id: &str) -> Vec<TaskEventKind> {
    let request = WatchTaskRequest {
        task_id: task_id.to_owned(),
        after_cursor: String::new(),
    };
    let mut stream = service
        .tasks
        .clone()
        .watch_task(request)
        .await
        .unwrap()
        .into_inner();
    let mut kinds = Vec::new();
    while let Some(response) = within(stream.message()).await.unwrap() {
        kinds.push(response.event.unwrap().kind());
    }
    kinds
}

/// Polls a task until a condition holds; returns the task.
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

#[tokio::test]
async fn a_job_near_its_deadline_is_escalated_and_then_fails() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let deadline = SystemTime::now() + Duration::from_millis(1_500);
    let request = SubmitTaskRequest {
        deadline: Some(deadline.into()),
        ..job("in time")
    };
    let task = submit(&service, request).await.task.unwrap();
    let hurried = until(&service, &task.task_id, |task| task.priority == 1).await;
    assert_eq!(hurried.state(), TaskState::Ready);
    let late = until(&service, &task.task_id, |task| {
        task.state() == TaskState::Failed
    })
    .await;
    assert_eq!(late.error.unwrap().reason, "DEADLINE_EXCEEDED");
    let ended = SystemTime::try_from(late.finished_at.unwrap()).unwrap();
    let after = ended.duration_since(deadline).unwrap();
    assert!(after < Duration::from_secs(1), "{after:?} late");
    use TaskEventKind::{Escalated, Failed, Ready, Submitted};
    let log = events(&service, &task.task_id).await;
    assert_eq!(log, [Submitted, Ready, Escalated, Failed]);
    // No worker gets the failed task.
    assert!(TestWorker::start(&redis).await.try_take().await.is_none());
}

/// A schedule whose first run is in the far future. Its runs may overlap, since no worker does them.
async fn schedule(service: &TestService) -> Task {
    let request = SubmitTaskRequest {
        schedule: "0 0 1 1 *".to_owned(),
        overlap: OverlapPolicy::Allow.into(),
        ..job("now and then")
    };
    submit(service, request).await.task.unwrap()
}

async fn runs(service: &TestService, schedule_id: &str) -> Vec<Task> {
    let request = ListTasksRequest {
        page_size: 500,
        ..Default::default()
    };
    let listed = service.tasks.clone().list_tasks(request).await.unwrap();
    let mut tasks = listed.into_inner().tasks;
    tasks.retain(|task| task.scheduled_by == schedule_id);
    tasks
}

async fn runs_are(service: &TestService, schedule_id: &str, count: usize) {
    within(async {
        while runs(service, schedule_id).await.len() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Makes a schedule due since long ago, with many runs missed.
fn make_due(redis: &Redis, schedule_id: &str, since_ms: &str) {
    redis
        .command(&["ZADD", SCHEDULES, since_ms, schedule_id])
        .unwrap();
}

#[tokio::test]
async fn a_schedule_runs_once_for_each_time_and_once_for_all_missed_times() {
    let redis = Redis::start();
    let (service, _other) = (
        TestService::start(&redis).await,
        TestService::start(&redis).await,
    );
    let template = schedule(&service).await;
    assert_eq!(template.state(), TaskState::Delayed);
    for (round, since_ms) in ["1000", "2000"].into_iter().enumerate() {
        make_due(&redis, &template.task_id, since_ms);
        runs_are(&service, &template.task_id, round + 1).await;
        // Three sweeps pass, at five a second.
        tokio::time::sleep(Duration::from_millis(700)).await;
        let runs = runs(&service, &template.task_id).await;
        assert_eq!(runs.len(), round + 1);
        assert!(
            runs.iter()
                .all(|run| run.goal == "now and then" && run.schedule.is_empty())
        );
    }
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let next = redis
        .command(&["ZSCORE", SCHEDULES, &template.task_id])
        .unwrap();
    let next: f64 = next.text().unwrap().parse().unwrap();
    assert!(next > now.as_secs_f64() * 1_000.0);
    let cancel = CancelTaskRequest {
        request_id: id(),
        task_id: template.task_id.clone(),
        reason: String::new(),
    };
    service.tasks.clone().cancel_task(cancel).await.unwrap();
    let gone = redis
        .command(&["ZSCORE", SCHEDULES, &template.task_id])
        .unwrap();
    assert_eq!(gone.text(), None);
}

#[tokio::test]
async fn a_silent_task_is_marked_as_stuck_once_and_goes_on() {
    let redis = Redis::start();
    let service = TestService::start_with(&redis.unix_url(), &[("tasks.stuck_after", "1s")]).await;
    let worker = TestWorker::start(&redis).await;
    let session_id = id();
    let request = SubmitTaskRequest {
        submitted_by: session_id.clone(),
        ..job("thinks for long")
    };
    let task = submit(&service, request).await.task.unwrap();
    let claimed = worker.take().await;
    let stuck = until(&service, &task.task_id, |task| task.stuck).await;
    assert_eq!(stuck.state(), TaskState::Running);
    // The task stays silent for longer than `stuck_after` again, and is not marked a second time.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    worker.complete(&claimed, result("thought")).await;
    let log = events(&service, &task.task_id).await;
    let stuck = log.iter().filter(|kind| **kind == TaskEventKind::Stuck);
    assert_eq!(stuck.count(), 1, "{log:?}");
    assert_eq!(log.last(), Some(&TaskEventKind::Completed));
}

#[tokio::test]
async fn a_finished_job_is_forgotten_after_its_retention() {
    let redis = Redis::start();
    let service = TestService::start_with(&redis.unix_url(), &[("tasks.keep", "1s")]).await;
    let worker = TestWorker::start(&redis).await;
    let task = submit(&service, job("soon forgotten")).await.task.unwrap();
    let unfinished = submit(&service, job("not finished")).await.task.unwrap();
    let claimed = worker.take().await;
    worker.complete(&claimed, result("done")).await;
    let request = GetTaskRequest {
        task_id: task.task_id,
        with_subtasks: false,
    };
    let refused = within(async {
        loop {
            let found = service.tasks.clone().get_task(request.clone()).await;
            if found.is_err() {
                return refusal(found);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(refused, (Code::NotFound, "TASK_NOT_FOUND".into()));
    assert_eq!(
        get(&service, &unfinished.task_id).await.state(),
        TaskState::Ready
    );
}

/// Not a story: the process that stories kill and suspend.
#[tokio::test]
#[ignore = "a process of other tests"]
async fn supervisor_process() {
    let Ok(url) = std::env::var(REDIS) else {
        return;
    };
    let _service = TestService::start_with(&url, &[]).await;
    std::future::pending::<()>().await;
}

/// A child process that runs the service; it is killed on drop.
struct Process(Child);

impl Process {
    /// A process whose supervisor leads.
    async fn leading(redis: &Redis) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "supervisor::supervisor_process", "--ignored"])
            .env(REDIS, redis.unix_url())
            // A killed process removes no files, so its files go into the folder of Redis.
            .env("TMPDIR", redis.folder())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let process = Self(child);
        leader_other_than(redis, None).await;
        process
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.0.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn leader(redis: &Redis) -> Option<String> {
    let token = redis.command(&["HGET", LOCK, "token"]).unwrap();
    token.text().map(str::to_owned)
}

async fn leader_other_than(redis: &Redis, old: Option<&str>) -> String {
    within(async {
        loop {
            if let Some(token) = leader(redis).filter(|token| Some(token.as_str()) != old) {
                return token;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_killed_supervisor_is_followed_by_another() {
    let redis = Redis::start();
    let first = Process::leading(&redis).await;
    let token = leader(&redis).unwrap();
    let service = TestService::start(&redis).await;
    let template = schedule(&service).await;
    drop(first);
    let killed = Instant::now();
    leader_other_than(&redis, Some(&token)).await;
    let gap = killed.elapsed();
    // The lock's time, one and a half tries, and a margin for a busy machine.
    assert!(gap < Duration::from_millis(2_000), "{gap:?}");
    eprintln!("followed after {gap:?}");
    make_due(&redis, &template.task_id, "1000");
    runs_are(&service, &template.task_id, 1).await;
}

#[tokio::test]
async fn a_supervisor_that_was_suspended_and_resumes_does_no_harm() {
    let redis = Redis::start();
    let first = Process::leading(&redis).await;
    let token = leader(&redis).unwrap();
    let service = TestService::start(&redis).await;
    let (worker, template) = (TestWorker::start(&redis).await, schedule(&service).await);
    first.signal("-STOP");
    let second = leader_other_than(&redis, Some(&token)).await;
    make_due(&redis, &template.task_id, "1000");
    runs_are(&service, &template.task_id, 1).await;
    let claimed = worker.take().await;
    first.signal("-CONT");
    // The process learns that its lock is lost at the next renewal, and sweeps at most once before.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(leader(&redis), Some(second));
    assert_eq!(runs(&service, &template.task_id).await.len(), 1);
    let done = worker.complete(&claimed, result("once")).await;
    assert_eq!(done.state(), TaskState::Completed);
}
