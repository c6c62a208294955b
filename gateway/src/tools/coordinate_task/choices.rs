//! The choices a submission names in words, as values of the contract. The schema lets no other word through.

use shim_proto::coordination::v1::{
    ApprovalGates, AssignmentStrategy, FailurePolicy, MergeStrategy, OverlapPolicy, SplitPolicy,
};

/// The way of merging asked for; unspecified if none was.
pub(super) fn merge(word: Option<&str>) -> MergeStrategy {
    match word {
        Some("concatenate") => MergeStrategy::Concatenate,
        Some("merge") => MergeStrategy::Merge,
        Some("first") => MergeStrategy::First,
        Some("last") => MergeStrategy::Last,
        _ => MergeStrategy::Unspecified,
    }
}

pub(super) fn strategy(word: Option<&str>) -> AssignmentStrategy {
    match word {
        Some("least_loaded") => AssignmentStrategy::LeastLoaded,
        Some("round_robin") => AssignmentStrategy::RoundRobin,
        Some("capability") => AssignmentStrategy::Capability,
        _ => AssignmentStrategy::Unspecified,
    }
}

pub(super) fn failure_policy(word: Option<&str>) -> FailurePolicy {
    match word {
        Some("fail_fast") => FailurePolicy::FailFast,
        Some("continue") => FailurePolicy::Continue,
        _ => FailurePolicy::Unspecified,
    }
}

pub(super) fn split(word: Option<&str>) -> SplitPolicy {
    match word {
        Some("auto") => SplitPolicy::Auto,
        Some("never") => SplitPolicy::Never,
        _ => SplitPolicy::Unspecified,
    }
}

pub(super) fn overlap(word: Option<&str>) -> OverlapPolicy {
    match word {
        Some("skip") => OverlapPolicy::Skip,
        Some("allow") => OverlapPolicy::Allow,
        _ => OverlapPolicy::Unspecified,
    }
}

/// The gates asked for; `None` if none was.
pub(super) fn approval(word: Option<&str>) -> Option<ApprovalGates> {
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
