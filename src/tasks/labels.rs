//! What is typed and said of tasks: states, executors, strategies and requirements.

use clap::ValueEnum;
use shim_proto::coordination::v1::{
    AssignmentStrategy, FailurePolicy, MergeStrategy, Requirements, Task, TaskState, WorkerKind,
};

use crate::output::style::Style;
use crate::output::text::{one_line, short_id, variant};

/// Where a task is in its life.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum State {
    /// Waits for other tasks
    Pending,
    /// Waits for a time
    Delayed,
    /// Waits for `shim tasks approve`
    AwaitingApproval,
    /// Waits for a worker
    Ready,
    /// A worker has it
    Running,
    /// Done
    Completed,
    /// Failed for good
    Failed,
    /// Called off
    Cancelled,
}

impl From<State> for TaskState {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Delayed => Self::Delayed,
            State::AwaitingApproval => Self::AwaitingApproval,
            State::Ready => Self::Ready,
            State::Running => Self::Running,
            State::Completed => Self::Completed,
            State::Failed => Self::Failed,
            State::Cancelled => Self::Cancelled,
        }
    }
}

/// What executes tasks.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Executor {
    /// A Claude window
    Chat,
    /// A headless agent program
    Agent,
    /// An allow-listed program
    Command,
    /// Code analysis and evolution
    Analysis,
}

impl From<Executor> for WorkerKind {
    fn from(executor: Executor) -> Self {
        match executor {
            Executor::Chat => Self::Chat,
            Executor::Agent => Self::Agent,
            Executor::Command => Self::Command,
            Executor::Analysis => Self::Analysis,
        }
    }
}

/// How the results of subtasks become one.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Merging {
    /// Texts one after the other, data as a list
    Concatenate,
    /// Data field by field
    Merge,
    /// The result that came first
    First,
    /// The result that came last
    Last,
}

impl From<Merging> for MergeStrategy {
    fn from(merge: Merging) -> Self {
        match merge {
            Merging::Concatenate => Self::Concatenate,
            Merging::Merge => Self::Merge,
            Merging::First => Self::First,
            Merging::Last => Self::Last,
        }
    }
}

/// Who gets a task when several workers wait.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Strategy {
    /// The one with the most room
    LeastLoaded,
    /// The one whose last task is the longest ago
    RoundRobin,
    /// The one that can do little else
    Capability,
}

impl From<Strategy> for AssignmentStrategy {
    fn from(strategy: Strategy) -> Self {
        match strategy {
            Strategy::LeastLoaded => Self::LeastLoaded,
            Strategy::RoundRobin => Self::RoundRobin,
            Strategy::Capability => Self::Capability,
        }
    }
}

/// What happens to the rest when a subtask failed for good.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum OnFailure {
    /// All that is not finished is called off
    FailFast,
    /// Only what depends on it is called off
    Continue,
}

impl From<OnFailure> for FailurePolicy {
    fn from(policy: OnFailure) -> Self {
        match policy {
            OnFailure::FailFast => Self::FailFast,
            OnFailure::Continue => Self::Continue,
        }
    }
}

/// A state in a word or two.
pub(super) fn state(state: TaskState) -> String {
    variant(state.as_str_name(), "TASK_STATE")
}

/// The colour of a task's state.
pub(super) fn style(task: &Task) -> Style {
    match task.state() {
        TaskState::Running if task.stuck => Style::Yellow,
        TaskState::Running => Style::Cyan,
        TaskState::Completed => Style::Green,
        TaskState::Failed => Style::Red,
        TaskState::AwaitingApproval => Style::Yellow,
        TaskState::Ready => Style::Plain,
        TaskState::Pending | TaskState::Delayed | TaskState::Cancelled | TaskState::Unspecified => {
            Style::Dim
        }
    }
}

/// What a task is called beside its siblings.
pub(super) fn name(task: &Task) -> String {
    match one_line(&task.key, 100) {
        key if key.is_empty() => short_id(&task.task_id).to_owned(),
        key => key,
    }
}

/// Who may run a task, or "any worker".
pub(super) fn requirements(requirements: Option<&Requirements>) -> String {
    let Some(asked) = requirements else {
        return "any worker".to_owned();
    };
    let kind = match asked.executor() {
        WorkerKind::Unspecified => None,
        kind => Some(variant(kind.as_str_name(), "WORKER_KIND")),
    };
    let capabilities = asked.capabilities.iter().map(|name| one_line(name, 100));
    let words: Vec<String> = kind.into_iter().chain(capabilities).collect();
    if words.is_empty() {
        return "any worker".to_owned();
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_told_in_words() {
        assert_eq!(requirements(None), "any worker");
        assert_eq!(requirements(Some(&Requirements::default())), "any worker");
        let asked = Requirements {
            executor: WorkerKind::Agent.into(),
            capabilities: vec!["rust".into(), "db".into()],
        };
        assert_eq!(requirements(Some(&asked)), "agent rust db");
    }

    #[test]
    fn states_are_told_in_words() {
        assert_eq!(state(TaskState::AwaitingApproval), "awaiting approval");
        assert_eq!(state(TaskState::Running), "running");
    }
}
