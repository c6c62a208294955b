//! The words for values of the contract that tools and metrics show alike: a dashboard's label is what the model reads.

use shim_proto::checkpoint::v1::{CheckpointTrigger, InterruptionCause};

/// What ended a session.
#[must_use]
pub fn cause(cause: InterruptionCause) -> &'static str {
    match cause {
        InterruptionCause::Unspecified => "unknown",
        InterruptionCause::ClientClosed => "client_closed",
        InterruptionCause::Killed => "killed",
        InterruptionCause::OutOfMemory => "out_of_memory",
        InterruptionCause::Reboot => "reboot",
        InterruptionCause::LeaseExpired => "lease_expired",
    }
}

/// What made a checkpoint.
#[must_use]
pub fn trigger(trigger: CheckpointTrigger) -> &'static str {
    match trigger {
        CheckpointTrigger::Unspecified | CheckpointTrigger::Manual => "manual",
        CheckpointTrigger::Periodic => "periodic",
        CheckpointTrigger::Milestone => "milestone",
        CheckpointTrigger::PreCompact => "pre_compact",
        CheckpointTrigger::DangerZone => "danger_zone",
        CheckpointTrigger::SessionEnd => "session_end",
        CheckpointTrigger::Fork => "fork",
    }
}
