//! What is true of all tasks at any moment, and what is left when all is quiet. They look through the public interface
//! only, so that whatever breaks a store on purpose can ask them too.

use std::collections::{BTreeMap, HashMap};

use shim_proto::coordination::v1::{Task, TaskCounts, TaskEventKind, TaskState};
use shim_store::Store;
use shim_store::tasks::{Filter, Job};

/// All jobs that are remembered.
pub(crate) async fn jobs(store: &Store) -> Vec<Job> {
    let (mut jobs, mut after) = (Vec::new(), None);
    loop {
        let all = Filter::default();
        let page = store.tasks.list(&all, after.as_deref(), 500).await.unwrap();
        for root in page.tasks {
            jobs.extend(store.tasks.job(&root.task_id, false).await.unwrap());
        }
        after = page.next;
        if after.is_none() {
            return jobs;
        }
    }
}

/// Holds at any moment.
pub(crate) async fn assert_hold(store: &Store) {
    for job in jobs(store).await {
        assert_eq!(
            job.root.subtasks.as_ref(),
            counted(&job.subtasks).as_ref(),
            "{job:#?}"
        );
        let ended = job.subtasks.iter().filter(|part| is_over(part)).count();
        if !job.subtasks.is_empty() {
            let waits =
                [TaskState::AwaitingApproval, TaskState::Delayed].contains(&job.root.state());
            let all = ended == job.subtasks.len();
            assert!(all == is_over(&job.root) || waits, "{job:#?}");
        }
        for task in std::iter::once(&job.root).chain(&job.subtasks) {
            assert!((0.0..=1.0).contains(&task.progress), "{task:#?}");
            assert_eq!(is_over(task), task.finished_at.is_some(), "{task:#?}");
            assert!(task.attempts <= task.max_attempts, "{task:#?}");
        }
        once_each(store, &job).await;
    }
}

/// No task was completed twice.
async fn once_each(store: &Store, job: &Job) {
    let events = store.tasks.events(&job.root.task_id, "", 100_000);
    let mut completed: HashMap<String, u32> = HashMap::new();
    for event in events.await.unwrap() {
        if event.kind() == TaskEventKind::Completed {
            *completed.entry(event.task_id).or_default() += 1;
        }
    }
    assert!(completed.values().all(|times| *times == 1), "{completed:?}");
}

/// Asserts that nothing is left anywhere, after every job has ended and everything was relayed.
pub(crate) async fn assert_quiet(store: &Store, workspaces: &[&str]) {
    for job in jobs(store).await {
        assert!(is_over(&job.root), "{job:#?}");
    }
    let health = store.tasks.health().await.unwrap();
    assert_eq!(health.outbox, 0, "{health:#?}");
    for queue in &health.queues {
        let left = (queue.waiting, queue.delayed, queue.active);
        assert_eq!(left, (0, 0, 0), "{queue:#?}");
    }
    // The plain queue is never idle.
    assert!(health.queues_in_use <= 1, "{health:#?}");
    assert!(store.tasks.holders().await.unwrap().is_empty());
    for workspace in workspaces {
        let leases = store
            .files
            .list(workspace, |_| true, Vec::new())
            .await
            .unwrap();
        assert_eq!(leases, [], "{workspace}");
    }
}

pub(crate) fn is_over(task: &Task) -> bool {
    use TaskState::{Cancelled, Completed, Failed};
    matches!(task.state(), Completed | Failed | Cancelled)
}

fn counted(parts: &[Task]) -> Option<TaskCounts> {
    let mut states: BTreeMap<i32, u32> = BTreeMap::new();
    for part in parts {
        *states.entry(part.state).or_default() += 1;
    }
    let of = |state: TaskState| states.get(&state.into()).copied().unwrap_or(0);
    (!parts.is_empty()).then(|| TaskCounts {
        total: u32::try_from(parts.len()).unwrap(),
        waiting: of(TaskState::Pending) + of(TaskState::Delayed) + of(TaskState::AwaitingApproval),
        ready: of(TaskState::Ready),
        running: of(TaskState::Running),
        completed: of(TaskState::Completed),
        failed: of(TaskState::Failed),
        cancelled: of(TaskState::Cancelled),
    })
}
