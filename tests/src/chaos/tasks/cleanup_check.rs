//! What is left when all should have ended: counted for the verdict, and shown on standard error for the search
//! of the cause of a broken promise.

use std::time::{Duration, Instant};

use shim_proto::coordination::v1::{ListFilesRequest, QueueHealthRequest, QueueReport};
use tonic::Status;

use super::graphs::WORKSPACE;
use super::test_stack::TestStack;
use super::verdict::TasksVerdict;
use crate::tasks::PREFIX;

/// What is done in the background is done this soon.
const CLEANED_UP_WITHIN: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Warnings and errors of each service that are shown.
const LINES: usize = 50;

/// Counts what is left in queues, outbox and leases.
pub(super) async fn count(stack: &TestStack, verdict: &mut TasksVerdict) -> Result<(), Status> {
    let service = stack.coordination[0].service();
    let (mut clients, mut files) = (service.tasks(), service.coordination());
    let deadline = Instant::now() + CLEANED_UP_WITHIN;
    loop {
        let health = clients.jobs.queue_health(QueueHealthRequest {}).await?;
        let health = health.into_inner();
        let in_queue = |queue: &QueueReport| queue.waiting + queue.delayed + queue.active;
        verdict.left_in_queues = health.queues.iter().map(in_queue).sum();
        verdict.left_in_outbox = health.outbox;
        let request = ListFilesRequest {
            workspace: WORKSPACE.into(),
            ..Default::default()
        };
        let leases = files.locks.list_files(request).await?.into_inner().leases;
        verdict.leases_left = leases.len() as u64;
        let left = verdict.left_in_queues + verdict.left_in_outbox + verdict.leases_left;
        if left == 0 || Instant::now() > deadline {
            return Ok(());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Shows the record of a task and where it lies.
pub(super) fn show_task(stack: &TestStack, task_id: &str) {
    let key = |name: &str| format!("{PREFIX}:{name}");
    let show = |words: &[&str]| eprintln!("{words:?} {:?}", stack.redis.command(words));
    show(&["HGETALL", &key(&format!("task:{task_id}"))]);
    for (command, name) in [
        ("ZSCORE", "outbox"),
        ("ZSCORE", "ready"),
        ("ZSCORE", "work:prioritized"),
        ("ZSCORE", "work:delayed"),
        ("LPOS", "work:active"),
        ("HGETALL", &format!("work:{task_id}")),
    ] {
        let in_queue = name.replacen("work", "work.agent", 1);
        show(&[command, &key(name), task_id]);
        show(&[command, &key(&in_queue), task_id]);
    }
    show(&["KEYS", &format!("*{task_id}*")]);
}

/// Shows what the services complained of.
pub(super) fn show_warnings(stack: &TestStack) {
    for server in stack.coordination.iter().chain(&stack.workers) {
        let log = server.service().log();
        let warnings = log.lines().filter(|line| !line.contains(" INFO "));
        for line in warnings.take(LINES) {
            eprintln!("{}: {line}", server.subcommand());
        }
    }
}
