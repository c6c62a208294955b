//! The words of tasks: states, executors and strategies as they are typed; states and names as they are printed.

use clap::ValueEnum;
use shim_proto::coordination::v1::{
    AssignmentStrategy, FailurePolicy, MergeStrategy, OverlapPolicy, Task, TaskState, WorkerKind,
};
use shim_render::text::{one_line, short_id};
use shim_render::words::{self, phrase};

use crate::output::style::Style;

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

/// What happens to a run of a schedule that is due while an earlier one waits or runs.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Overlap {
    /// It is left out and counted
    Skip,
    /// It is submitted all the same
    Allow,
}

impl From<Overlap> for OverlapPolicy {
    fn from(overlap: Overlap) -> Self {
        match overlap {
            Overlap::Skip => Self::Skip,
            Overlap::Allow => Self::Allow,
        }
    }
}

/// A state in a word or two.
pub(super) fn state(state: TaskState) -> String {
    phrase(words::task_state(state))
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
    label(&task.key, &task.task_id)
}

/// A task's key, else the end of its id.
pub(super) fn label(key: &str, task_id: &str) -> String {
    match one_line(key, 100) {
        key if key.is_empty() => short_id(task_id).to_owned(),
        key => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_in_words() {
        assert_eq!(state(TaskState::AwaitingApproval), "awaiting approval");
        assert_eq!(state(TaskState::Running), "running");
    }
}
