//! Words for tasks: as they are told, and as they are asked for.

use shim_proto::coordination::v1::{
    ApprovalGates, AssignmentStrategy, FailurePolicy, MergeStrategy, SplitPolicy, TaskEventKind,
    TaskState,
};
use shim_runtime::service_error::decode;
use tonic::Status;

pub(crate) fn task_state(state: TaskState) -> &'static str {
    match state {
        TaskState::Unspecified => "unknown",
        TaskState::Pending => "pending",
        TaskState::Delayed => "delayed",
        TaskState::AwaitingApproval => "awaiting_approval",
        TaskState::Ready => "ready",
        TaskState::Running => "running",
        TaskState::Completed => "completed",
        TaskState::Failed => "failed",
        TaskState::Cancelled => "cancelled",
    }
}

pub(crate) fn event_kind(kind: TaskEventKind) -> &'static str {
    match kind {
        TaskEventKind::Unspecified => "unknown",
        TaskEventKind::Submitted => "submitted",
        TaskEventKind::Ready => "ready",
        TaskEventKind::Started => "started",
        TaskEventKind::Progress => "progress",
        TaskEventKind::AwaitingApproval => "awaiting_approval",
        TaskEventKind::Approved => "approved",
        TaskEventKind::Rejected => "rejected",
        TaskEventKind::Retrying => "retrying",
        TaskEventKind::Requeued => "requeued",
        TaskEventKind::Stuck => "stuck",
        TaskEventKind::Escalated => "escalated",
        TaskEventKind::Completed => "completed",
        TaskEventKind::Failed => "failed",
        TaskEventKind::Cancelled => "cancelled",
        TaskEventKind::Retried => "retried",
    }
}

/// The way of merging asked for; unspecified if none was.
pub(crate) fn merge(word: Option<&str>) -> MergeStrategy {
    match word {
        Some("concatenate") => MergeStrategy::Concatenate,
        Some("merge") => MergeStrategy::Merge,
        Some("first") => MergeStrategy::First,
        Some("last") => MergeStrategy::Last,
        _ => MergeStrategy::Unspecified,
    }
}

pub(crate) fn strategy(word: Option<&str>) -> AssignmentStrategy {
    match word {
        Some("least_loaded") => AssignmentStrategy::LeastLoaded,
        Some("round_robin") => AssignmentStrategy::RoundRobin,
        Some("capability") => AssignmentStrategy::Capability,
        _ => AssignmentStrategy::Unspecified,
    }
}

pub(crate) fn failure_policy(word: Option<&str>) -> FailurePolicy {
    match word {
        Some("fail_fast") => FailurePolicy::FailFast,
        Some("continue") => FailurePolicy::Continue,
        _ => FailurePolicy::Unspecified,
    }
}

pub(crate) fn split(word: Option<&str>) -> SplitPolicy {
    match word {
        Some("auto") => SplitPolicy::Auto,
        Some("never") => SplitPolicy::Never,
        _ => SplitPolicy::Unspecified,
    }
}

/// The gates asked for; `None` if none was.
pub(crate) fn approval(word: Option<&str>) -> Option<ApprovalGates> {
    let (before_start, before_result) = match word? {
        "start" => (true, false),
        "result" => (false, true),
        "both" => (true, true),
        _ => (false, false),
    };
    Some(ApprovalGates {
        before_start,
        before_result,
    })
}

/// What a worker hears whose claim does not stand any more.
pub(crate) fn task_lost(task_id: &str, status: &Status) -> String {
    let why = decode(status).message;
    format!(
        "{why}: stop working on task {task_id}, reports on it are refused; shim_worker_task action=claim takes the \
         next one"
    )
}
