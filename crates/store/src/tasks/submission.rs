//! A job as it is submitted.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use shim_proto::coordination::v1::Task;

use super::class::Class;

/// A job as it was planned: with ids, and edges as ids. The store sets states, times and counts.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The root.
    pub root: Task,
    /// Its subtasks, in their order.
    pub subtasks: Vec<Task>,
    /// How long nothing of it starts.
    pub delay: Duration,
    /// The pause after the first failure of a task; doubled after each.
    pub backoff: Duration,
    /// When the first run of a schedule is due: then the job is its template, and only waits.
    pub schedule_next: Option<SystemTime>,
    /// How deep and how many jobs that jobs submit may be; for a job with a parent.
    pub lineage: LineageLimits,
    /// Who submits it, whose queues are bounded; empty for SHIM itself.
    pub caller: String,
}

/// The bounds of jobs that are submitted on behalf of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineageLimits {
    /// How many jobs may stand above a job.
    pub max_depth: u32,
    /// How many jobs may come on behalf of a job and of those below it, in all.
    pub max_descendants: u32,
}

impl Default for LineageLimits {
    fn default() -> Self {
        Self {
            max_depth: 5,
            max_descendants: 1_000,
        }
    }
}

/// A run of a schedule that is due.
#[derive(Debug, Clone, Serialize)]
pub struct DueRun {
    /// The schedule.
    pub schedule_id: String,
    /// When the run was due, in milliseconds of Unix time.
    pub due_ms: i64,
    /// When the next one is.
    pub next_ms: i64,
    /// Whether it is left out while an earlier run waits or runs.
    pub skips_overlap: bool,
}

impl Submission {
    pub(super) fn tasks(&self) -> impl Iterator<Item = &Task> {
        std::iter::once(&self.root).chain(&self.subtasks)
    }

    /// What its tasks require, each once; every one is a queue.
    #[must_use]
    pub fn classes(&self) -> Vec<Class> {
        // No worker runs the root of a job with subtasks.
        let skipped = usize::from(!self.subtasks.is_empty());
        let mut classes: Vec<_> = self
            .tasks()
            .skip(skipped)
            .map(|task| Class::of(task.requirements.as_ref()))
            .collect();
        classes.sort_by(|a, b| a.name.cmp(&b.name));
        classes.dedup_by(|a, b| a.name == b.name);
        classes
    }

    /// The queue of all tasks; `None` if they go to several.
    pub(super) fn only_queue(&self) -> Option<String> {
        match self.classes().as_slice() {
            [class] => Some(class.name.clone()),
            _ => None,
        }
    }

    /// The tasks that wait for each, by id.
    pub(super) fn successors(&self) -> HashMap<&str, Vec<&str>> {
        let mut after: HashMap<&str, Vec<&str>> = HashMap::new();
        for task in &self.subtasks {
            for before in &task.depends_on {
                after.entry(before).or_default().push(&task.task_id);
            }
        }
        after
    }
}
