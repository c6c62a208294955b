//! Words for what the services answer with numbers: states, causes, times and sizes. No decisions are made here.

mod tasks;

use std::time::Duration;

use prost_types::Timestamp;
use shim_proto::checkpoint::v1::{
    ClaimKind, ClaimVerdict, ClientInfo, FilePresence, RiskLevel, SessionStatus,
};
use shim_proto::coordination::v1::{FileLeaseMode, WorkerHealth, WorkerKind, WorkerState};

pub(crate) use shim_runtime::labels::{cause, trigger};
pub(crate) use tasks::{
    approval, event_kind, failure_policy, merge, split, strategy, task_lost, task_state,
};

pub(crate) fn status(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Unspecified => "unknown",
        SessionStatus::Active => "active",
        SessionStatus::Interrupted => "interrupted",
        SessionStatus::Ended => "ended",
    }
}

pub(crate) fn level(level: RiskLevel) -> &'static str {
    match level {
        RiskLevel::Unspecified => "unknown",
        RiskLevel::Safe => "safe",
        RiskLevel::Warning => "warning",
        RiskLevel::Danger => "danger",
    }
}

pub(crate) fn presence(presence: FilePresence) -> &'static str {
    match presence {
        FilePresence::Unspecified => "not_looked_at",
        FilePresence::Present => "present",
        FilePresence::Missing => "missing",
        FilePresence::Unreadable => "unreadable",
    }
}

pub(crate) fn claim_kind(kind: ClaimKind) -> &'static str {
    match kind {
        ClaimKind::Unspecified => "other",
        ClaimKind::File => "file",
        ClaimKind::Git => "git",
        ClaimKind::Step => "step",
    }
}

pub(crate) fn verdict(verdict: ClaimVerdict) -> &'static str {
    match verdict {
        ClaimVerdict::Unspecified | ClaimVerdict::Unchecked => "unchecked",
        ClaimVerdict::Unchanged => "unchanged",
        ClaimVerdict::Changed => "changed",
        ClaimVerdict::Missing => "missing",
        ClaimVerdict::Done => "done",
        ClaimVerdict::Open => "open",
    }
}

pub(crate) fn worker_kind(kind: WorkerKind) -> &'static str {
    match kind {
        WorkerKind::Unspecified => "unknown",
        WorkerKind::Chat => "chat",
        WorkerKind::Agent => "agent",
        WorkerKind::Command => "command",
        WorkerKind::Analysis => "analysis",
    }
}

pub(crate) fn worker_state(state: WorkerState) -> &'static str {
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

pub(crate) fn worker_health(health: WorkerHealth) -> &'static str {
    match health {
        WorkerHealth::Unspecified | WorkerHealth::Healthy => "healthy",
        WorkerHealth::Degraded => "degraded",
        WorkerHealth::Unhealthy => "unhealthy",
    }
}

pub(crate) fn lease_mode(mode: FileLeaseMode) -> &'static str {
    match mode {
        FileLeaseMode::Unspecified | FileLeaseMode::Exclusive => "exclusive",
        FileLeaseMode::Shared => "shared",
    }
}

/// A client in words, as far as it is known.
pub(crate) fn client(client: Option<&ClientInfo>) -> String {
    match client {
        Some(client) if !client.name.is_empty() => match &client.client_process {
            Some(process) if process.pid > 0 => {
                format!("{} (process {})", client.name, process.pid)
            }
            _ => client.name.clone(),
        },
        _ => "another client".to_owned(),
    }
}

/// RFC 3339, or "" for no time.
pub(crate) fn time(at: Option<&Timestamp>) -> String {
    at.map(Timestamp::to_string).unwrap_or_default()
}

/// How long ago, for text.
pub(crate) fn ago(at: Option<&Timestamp>) -> String {
    let Some(at) = at.and_then(|at| std::time::SystemTime::try_from(*at).ok()) else {
        return "never".to_owned();
    };
    let age = std::time::SystemTime::now()
        .duration_since(at)
        .unwrap_or_default();
    format!("{} ago", span(age))
}

/// How much time is left, for text.
pub(crate) fn time_left(until: Option<&Timestamp>) -> String {
    let until = until.and_then(|until| std::time::SystemTime::try_from(*until).ok());
    let left = until.and_then(|until| until.duration_since(std::time::SystemTime::now()).ok());
    format!("{} left", span(left.unwrap_or_default()))
}

/// A span in its largest unit.
pub(crate) fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// A share of one as percent.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// The text's first line, cut to `max` characters, for lists.
pub(crate) fn short(text: &str, max: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= max {
        return line.to_owned();
    }
    format!("{}...", line.chars().take(max).collect::<String>())
}

/// A text of several lines within a line of an answer: cut to `max` characters, and indented, so that no line of it
/// can be taken for one of the answer's own.
pub(crate) fn quoted(text: &str, max: usize) -> String {
    let cut = text.char_indices().nth(max).map(|(end, _)| &text[..end]);
    let quoted = cut.unwrap_or(text).trim_end().replace('\n', "\n  ");
    match cut {
        Some(_) => format!("{quoted}... (cut; the whole text is in structuredContent.notices)"),
        None => quoted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_use_their_largest_unit() {
        let spans = [5, 119, 180, 7_200, 200_000].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(spans, ["5 s", "119 s", "3 min", "2 h", "2 days"]);
    }

    #[test]
    fn quoted_texts_cannot_pass_for_the_answer_s_own_lines() {
        assert_eq!(quoted("a\nNotice: b\n", 50), "a\n  Notice: b");
        assert_eq!(quoted("äbc", 3), "äbc");
        assert!(quoted("äbcd", 3).starts_with("äbc... (cut;"));
    }

    #[test]
    fn texts_are_cut_to_their_first_line() {
        assert_eq!(short("öne\ntwo", 3), "öne");
        assert_eq!(short("abcdef", 3), "abc...");
        assert_eq!(
            (percent(0.4), ago(None)),
            ("40 %".to_owned(), "never".to_owned())
        );
    }
}
