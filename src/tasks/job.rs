//! A job with its subtasks, kept current by the events of each task.

use std::time::{Duration, SystemTime};

use shim_proto::coordination::v1::{GetTaskRequest, Task, TaskCounts, TaskState};
use shim_render::time::moment;

use crate::connection::{Coordination, call, request};
use crate::error::CliError;

/// A task and its subtasks, if it has any.
#[derive(Debug, Clone, Default)]
pub(super) struct Job {
    /// The job, or a subtask that is read alone.
    pub(super) root: Task,
    /// In the order of the submission.
    pub(super) subtasks: Vec<Task>,
}

impl Job {
    /// Reads a task with its subtasks.
    ///
    /// # Errors
    /// If there is no such task.
    pub(super) async fn read(service: &mut Coordination, task_id: &str) -> Result<Self, CliError> {
        let asked = GetTaskRequest {
            task_id: task_id.to_owned(),
            with_subtasks: true,
        };
        let found = call(service.tasks.get_task(request(asked))).await?;
        Ok(Self {
            root: found
                .task
                .ok_or_else(|| CliError::new("the service answered without a task"))?,
            subtasks: found.subtasks,
        })
    }

    /// Replaces a task by its present state.
    pub(super) fn apply(&mut self, task: Task) {
        if task.task_id == self.root.task_id {
            self.root = task;
            return;
        }
        let same = |known: &&mut Task| known.task_id == task.task_id;
        match self.subtasks.iter_mut().find(same) {
            Some(known) => *known = task,
            None => self.subtasks.push(task),
        }
    }

    /// How many subtasks are in which state. The counts in the job's record are older than the subtasks that changed
    /// since, so the subtasks are counted here.
    pub(super) fn counts(&self) -> TaskCounts {
        if self.subtasks.is_empty() {
            return self.root.subtasks.unwrap_or_default();
        }
        let mut counts = TaskCounts::default();
        for task in &self.subtasks {
            counts.total += 1;
            *match task.state() {
                TaskState::Ready => &mut counts.ready,
                TaskState::Running => &mut counts.running,
                TaskState::Completed => &mut counts.completed,
                TaskState::Failed => &mut counts.failed,
                TaskState::Cancelled => &mut counts.cancelled,
                TaskState::Pending
                | TaskState::Delayed
                | TaskState::AwaitingApproval
                | TaskState::Unspecified => &mut counts.waiting,
            } += 1;
        }
        counts
    }

    /// How much is done, 0..1: the weighted mean of the subtasks.
    pub(super) fn progress(&self) -> f64 {
        let whole: f64 = self.subtasks.iter().map(weight).sum();
        if whole <= 0.0 {
            return progress(&self.root);
        }
        let done = |task| weight(task) * progress(task);
        self.subtasks.iter().map(done).sum::<f64>() / whole
    }

    /// The present and former workers of its tasks.
    pub(super) fn worker_ids(&self) -> Vec<String> {
        let tasks = std::iter::once(&self.root).chain(&self.subtasks);
        let mut ids: Vec<String> = tasks.map(|task| task.worker_id.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Whether the job is in a final state.
    pub(super) fn has_ended(&self) -> bool {
        has_ended(&self.root)
    }
}

/// Whether a task is in a final state.
pub(super) fn has_ended(task: &Task) -> bool {
    matches!(
        task.state(),
        TaskState::Completed | TaskState::Failed | TaskState::Cancelled
    )
}

/// How much of a task is done; all of it once its result counts.
pub(super) fn progress(task: &Task) -> f64 {
    match task.state() {
        TaskState::Completed => 1.0,
        _ => task.progress.clamp(0.0, 1.0),
    }
}

/// How long a worker has worked on a task; `None` before the first start. A job with subtasks begins when it is
/// submitted.
pub(super) fn time_worked(task: &Task, now: SystemTime) -> Option<Duration> {
    let submitted = task.created_at.filter(|_| task.subtasks.is_some());
    let started = moment(task.started_at.or(submitted).as_ref())?;
    let until = match moment(task.finished_at.as_ref()) {
        Some(finished) if has_ended(task) => finished,
        _ if task.state() == TaskState::Running => now,
        _ => return None,
    };
    // The times are of the store's clock, which may be ahead of the clock here.
    Some(until.duration_since(started).unwrap_or_default())
}

/// A task's share in its job.
fn weight(task: &Task) -> f64 {
    if task.weight > 0.0 { task.weight } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::Timestamp;

    fn task(id: &str, state: TaskState, progress: f64, weight: f64) -> Task {
        Task {
            task_id: id.into(),
            state: state.into(),
            progress,
            weight,
            ..Task::default()
        }
    }

    fn job() -> Job {
        Job {
            root: task("job", TaskState::Running, 0.0, 0.0),
            subtasks: vec![
                task("a", TaskState::Completed, 0.9, 3.0),
                task("b", TaskState::Running, 0.5, 1.0),
                task("c", TaskState::Pending, 0.0, 0.0),
            ],
        }
    }

    #[test]
    fn progress_is_the_weighted_mean_of_the_subtasks() {
        let mut job = job();
        assert!((job.progress() - 3.5 / 5.0).abs() < 1e-9);
        job.apply(task("b", TaskState::Completed, 1.0, 1.0));
        assert!((job.progress() - 4.0 / 5.0).abs() < 1e-9);
        job.subtasks.clear();
        job.apply(task("job", TaskState::Running, 0.25, 1.0));
        assert!((job.progress() - 0.25).abs() < 1e-9);
    }

    #[test]
    fn every_subtask_is_counted_once() {
        let mut job = job();
        job.apply(task("d", TaskState::Ready, 0.0, 1.0));
        let counts = job.counts();
        assert_eq!((counts.total, counts.completed, counts.running), (4, 1, 1));
        assert_eq!((counts.ready, counts.waiting), (1, 1));
    }

    #[test]
    fn a_task_is_worked_on_from_its_start_to_its_end() {
        let now = SystemTime::now();
        let at = |ago: u64| Some(Timestamp::from(now - Duration::from_secs(ago)));
        let mut task = task("a", TaskState::Running, 0.0, 1.0);
        assert_eq!(time_worked(&task, now), None);
        task.started_at = at(30);
        assert_eq!(time_worked(&task, now), Some(Duration::from_secs(30)));
        (task.state, task.finished_at) = (TaskState::Completed.into(), at(10));
        assert_eq!(time_worked(&task, now), Some(Duration::from_secs(20)));
        task.state = TaskState::Ready.into();
        assert_eq!(time_worked(&task, now), None);
    }
}
