//! One word for each value of the contract, as answers, tables and metric labels have it: `awaiting_approval`.
//! [`phrase`] makes it text: "awaiting approval".

use shim_proto::checkpoint::v1::{
    CheckpointTrigger, ClaimKind, ClaimVerdict, FilePresence, InterruptionCause, RiskLevel,
    SessionStatus, TaskRelation,
};
use shim_proto::coordination::v1::{
    FileLeaseMode, OverlapPolicy, StateChangeKind, TaskEventKind, TaskState, WorkerHealth,
    WorkerKind, WorkerState,
};

/// A word of this module as running text.
#[must_use]
pub fn phrase(word: &str) -> String {
    word.replace('_', " ")
}

/// What happens to a run that is due while an earlier one goes on.
#[must_use]
pub fn overlap_policy(policy: OverlapPolicy) -> &'static str {
    match policy {
        OverlapPolicy::Unspecified | OverlapPolicy::Skip => "skip",
        OverlapPolicy::Allow => "allow",
    }
}

/// Where a session is in its life.
#[must_use]
pub fn session_status(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Unspecified => "unknown",
        SessionStatus::Active => "active",
        SessionStatus::Interrupted => "interrupted",
        SessionStatus::Ended => "ended",
    }
}

/// What ended a session.
#[must_use]
pub fn interruption_cause(cause: InterruptionCause) -> &'static str {
    match cause {
        InterruptionCause::Unspecified => "unknown",
        InterruptionCause::ClientClosed => "client_closed",
        InterruptionCause::Killed => "killed",
        InterruptionCause::OutOfMemory => "out_of_memory",
        InterruptionCause::Reboot => "reboot",
        InterruptionCause::LeaseExpired => "lease_expired",
        InterruptionCause::UsageLimit => "usage_limit",
        InterruptionCause::Overloaded => "overloaded",
        InterruptionCause::ContextFull => "context_full",
        InterruptionCause::ApiError => "api_error",
        InterruptionCause::Terminated => "terminated",
    }
}

/// What made a checkpoint.
#[must_use]
pub fn checkpoint_trigger(trigger: CheckpointTrigger) -> &'static str {
    match trigger {
        CheckpointTrigger::Unspecified | CheckpointTrigger::Manual => "manual",
        CheckpointTrigger::Periodic => "periodic",
        CheckpointTrigger::Milestone => "milestone",
        CheckpointTrigger::PreCompact => "pre_compact",
        CheckpointTrigger::DangerZone => "danger_zone",
        CheckpointTrigger::SessionEnd => "session_end",
        CheckpointTrigger::Fork => "fork",
        CheckpointTrigger::Observed => "observed",
        CheckpointTrigger::TurnEnd => "turn_end",
        CheckpointTrigger::Transcript => "transcript",
    }
}

/// How large a risk is.
#[must_use]
pub fn risk_level(level: RiskLevel) -> &'static str {
    match level {
        RiskLevel::Unspecified => "unknown",
        RiskLevel::Safe => "safe",
        RiskLevel::Warning => "warning",
        RiskLevel::Danger => "danger",
    }
}

/// Whether a file was there.
#[must_use]
pub fn file_presence(presence: FilePresence) -> &'static str {
    match presence {
        FilePresence::Unspecified => "not_looked_at",
        FilePresence::Present => "present",
        FilePresence::Missing => "missing",
        FilePresence::Unreadable => "unreadable",
    }
}

/// What a claim of a checkpoint is about.
#[must_use]
pub fn claim_kind(kind: ClaimKind) -> &'static str {
    match kind {
        ClaimKind::Unspecified => "other",
        ClaimKind::File => "file",
        ClaimKind::Git => "git",
        ClaimKind::Step => "step",
    }
}

/// What checking a claim showed.
#[must_use]
pub fn claim_verdict(verdict: ClaimVerdict) -> &'static str {
    match verdict {
        ClaimVerdict::Unspecified | ClaimVerdict::Unchecked => "unchecked",
        ClaimVerdict::Unchanged => "unchanged",
        ClaimVerdict::Changed => "changed",
        ClaimVerdict::Missing => "missing",
        ClaimVerdict::Done => "done",
        ClaimVerdict::Open => "open",
    }
}

/// How a save relates to what its session did before.
#[must_use]
pub fn task_relation(relation: TaskRelation) -> &'static str {
    match relation {
        TaskRelation::Unspecified => "unknown",
        TaskRelation::First => "first",
        TaskRelation::Same => "same",
        TaskRelation::Reworded => "reworded",
        TaskRelation::Resumed => "resumed",
        TaskRelation::New => "new",
    }
}

/// How sure it is that there is work to bring back.
#[must_use]
pub fn confidence(confidence: f64) -> &'static str {
    match confidence {
        high if high >= 0.85 => "high",
        medium if medium >= 0.5 => "medium",
        _ => "low",
    }
}

/// Where a task is in its life.
#[must_use]
pub fn task_state(state: TaskState) -> &'static str {
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

/// What happened to a task.
#[must_use]
pub fn task_event_kind(kind: TaskEventKind) -> &'static str {
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

/// What a worker is.
#[must_use]
pub fn worker_kind(kind: WorkerKind) -> &'static str {
    match kind {
        WorkerKind::Unspecified => "unknown",
        WorkerKind::Chat => "chat",
        WorkerKind::Agent => "agent",
        WorkerKind::Command => "command",
        WorkerKind::Analysis => "analysis",
    }
}

/// What a worker does.
#[must_use]
pub fn worker_state(state: WorkerState) -> &'static str {
    match state {
        WorkerState::Unspecified => "unknown",
        WorkerState::Starting => "starting",
        WorkerState::Idle => "idle",
        WorkerState::Busy => "busy",
        WorkerState::Draining => "draining",
        WorkerState::Stopped => "stopped",
        WorkerState::Dead => "dead",
    }
}

/// How well a worker is.
#[must_use]
pub fn worker_health(health: WorkerHealth) -> &'static str {
    match health {
        WorkerHealth::Unspecified | WorkerHealth::Healthy => "healthy",
        WorkerHealth::Degraded => "degraded",
        WorkerHealth::Unhealthy => "unhealthy",
    }
}

/// Whether a file lease shares its files.
#[must_use]
pub fn file_lease_mode(mode: FileLeaseMode) -> &'static str {
    match mode {
        FileLeaseMode::Unspecified | FileLeaseMode::Exclusive => "exclusive",
        FileLeaseMode::Shared => "shared",
    }
}

/// What happened to a value of the shared state.
#[must_use]
pub fn state_change_kind(kind: StateChangeKind) -> &'static str {
    match kind {
        StateChangeKind::Unspecified => "unknown",
        StateChangeKind::Put => "put",
        StateChangeKind::Patched => "patched",
        StateChangeKind::Deleted => "deleted",
        StateChangeKind::Expired => "expired",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value's own name in the contract.
    fn contract(name: &str, prefix: &str) -> String {
        name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
    }

    #[test]
    fn a_word_is_the_contract_s_own_name() {
        for kind in (1..).map_while(|number| TaskEventKind::try_from(number).ok()) {
            assert_eq!(
                task_event_kind(kind),
                contract(kind.as_str_name(), "TASK_EVENT_KIND_")
            );
        }
        for state in (1..).map_while(|number| TaskState::try_from(number).ok()) {
            assert_eq!(
                task_state(state),
                contract(state.as_str_name(), "TASK_STATE_")
            );
        }
        for state in (1..).map_while(|number| WorkerState::try_from(number).ok()) {
            assert_eq!(
                worker_state(state),
                contract(state.as_str_name(), "WORKER_STATE_")
            );
        }
        for cause in (1..).map_while(|number| InterruptionCause::try_from(number).ok()) {
            let name = contract(cause.as_str_name(), "INTERRUPTION_CAUSE_");
            assert_eq!(interruption_cause(cause), name);
        }
        for trigger in (1..).map_while(|number| CheckpointTrigger::try_from(number).ok()) {
            let name = contract(trigger.as_str_name(), "CHECKPOINT_TRIGGER_");
            assert_eq!(checkpoint_trigger(trigger), name);
        }
    }

    #[test]
    fn a_phrase_is_running_text() {
        assert_eq!(
            phrase(task_state(TaskState::AwaitingApproval)),
            "awaiting approval"
        );
    }
}
