//! A worker whose executor can do no task: it costs no task an attempt, is told everywhere, and goes on by itself.

use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;

use super::test_stack::{StackBuilder, TestStack, id, job, within};

/// An agent that notes each run, and does nothing before the file `mended` is there.
const LIMITED: &str = r#"cat > /dev/null
echo run >> runs
if [ -e mended ]; then
  echo '{"type":"result","subtype":"success","is_error":false,"result":"did it"}'
  exit 0
fi
echo '{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":'$(cat resets)'}}'
echo '{"type":"result","subtype":"success","is_error":true,"result":"You have hit your limit: usage limit"}'
exit 1
"#;

async fn stack(redis: &Redis, script: &str) -> TestStack {
    StackBuilder::new(&redis.unix_url())
        .script("agent", "agent", script)
        .build()
        .await
}

async fn start(stack: &TestStack) -> Worker {
    let request = shim_proto::worker::v1::StartWorkerRequest {
        request_id: id(),
        executor: "agent".to_owned(),
        ..Default::default()
    };
    let answer = stack.workers.clone().start_worker(request).await.unwrap();
    answer.into_inner().worker.unwrap()
}

async fn worker(stack: &TestStack, worker_id: &str) -> Worker {
    let request = GetWorkerRequest {
        worker_id: worker_id.to_owned(),
    };
    let answer = stack.registry.clone().get_worker(request).await.unwrap();
    answer.into_inner().worker.unwrap()
}

async fn unfit(stack: &TestStack, worker_id: &str) -> Worker {
    within(async {
        loop {
            let now = worker(stack, worker_id).await;
            if now.health() == WorkerHealth::Unhealthy {
                return now;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await
}

fn runs(stack: &TestStack) -> usize {
    let runs = std::fs::read_to_string(stack.path("runs")).unwrap_or_default();
    runs.lines().count()
}

async fn queue(stack: &TestStack) -> QueueReport {
    let mut tasks = stack.tasks.clone();
    let health = tasks.queue_health(QueueHealthRequest {}).await;
    let queues = health.unwrap().into_inner().queues;
    queues.into_iter().find(|queue| queue.waiting > 0).unwrap()
}

#[tokio::test]
async fn a_limit_costs_ten_jobs_one_run_and_no_attempt() {
    let redis = Redis::start();
    let stack = stack(&redis, LIMITED).await;
    let resets = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() + 3_600;
    std::fs::write(stack.path("resets"), resets.to_string()).unwrap();
    let mut jobs = Vec::new();
    for number in 0..10 {
        jobs.push(stack.submit(job(&number.to_string())).await.task_id);
    }
    let started = start(&stack).await;
    let now = unfit(&stack, &started.worker_id).await;
    assert!(now.detail.contains("hit your limit"), "{now:?}");
    assert_eq!(now.unfit_until.unwrap().seconds, resets as i64);
    let waiting = queue(&stack).await;
    assert_eq!(
        (waiting.waiting, waiting.workers, waiting.unfit),
        (10, 1, 1)
    );
    assert!(!waiting.saturated && !waiting.starving, "{waiting:?}");
    assert!(waiting.unfit_why.contains("hit your limit"), "{waiting:?}");
    assert_eq!(waiting.fit_at.unwrap().seconds, resets as i64);
    let mut held = 0;
    for id in &jobs {
        let task = stack.get(id).await;
        assert_eq!((task.state(), task.attempts), (TaskState::Ready, 0));
        held += u32::from(
            task.error
                .is_some_and(|error| error.reason == "WORKER_UNFIT"),
        );
    }
    assert_eq!((runs(&stack), held), (1, 1));
}

#[tokio::test]
async fn a_missing_program_is_tried_again_with_one_task_and_goes_on_when_it_is_there() {
    let redis = Redis::start();
    let script = format!("[ -e mended ] || exec no-such-agent-anywhere\n{LIMITED}");
    let stack = stack(&redis, &script).await;
    let jobs = [stack.submit(job("a")).await, stack.submit(job("b")).await];
    let started = start(&stack).await;
    let now = unfit(&stack, &started.worker_id).await;
    assert!(now.detail.contains("no-such-agent-anywhere"), "{now:?}");
    std::fs::write(stack.path("mended"), "").unwrap();
    for job in &jobs {
        let task = stack.until(&job.task_id, TaskState::Completed).await;
        assert_eq!(
            (task.result.unwrap().text.as_str(), task.attempts),
            ("did it", 1)
        );
        assert_eq!(task.error, None);
    }
    within(async {
        while worker(&stack, &started.worker_id).await.health() != WorkerHealth::Healthy {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_network_that_is_away_costs_no_attempt_and_the_task_goes_on_when_it_is_back() {
    let redis = Redis::start();
    let away = "echo 'Error: getaddrinfo ENOTFOUND api.anthropic.com' >&2; exit 1";
    let script = format!("[ -e mended ] || {{ cat > /dev/null; {away}; }}\n{LIMITED}");
    let stack = stack(&redis, &script).await;
    let job = stack.submit(job("a")).await;
    let started = start(&stack).await;
    let now = unfit(&stack, &started.worker_id).await;
    assert!(now.detail.contains("ENOTFOUND"), "{now:?}");
    let task = stack.until(&job.task_id, TaskState::Delayed).await;
    let error = task.error.unwrap();
    assert_eq!((&*error.reason, task.attempts), ("WORKER_UNFIT", 0));
    assert!(task.not_before.is_some());
    std::fs::write(stack.path("mended"), "").unwrap();
    let task = stack.until(&job.task_id, TaskState::Completed).await;
    assert_eq!((task.attempts, task.error), (1, None));
}
