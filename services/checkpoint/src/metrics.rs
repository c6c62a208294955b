//! The service's metrics: its events by name, and gauges of what it holds, sampled every 15 s.
//!
//! Labels come from the contract's enums, so the number of series is fixed. The effects of a change are counted through
//! [`after_commit`], once the change is on the disk.

use std::path::{Path, PathBuf};
use std::time::Duration;

use metrics::{counter, gauge, histogram};
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{
    CheckpointTrigger, InterruptionCause, ObservationSource, RiskLevel, SessionStatus,
};
use shim_render::words;
use shim_runtime::lifecycle::Shutdown;

use crate::error::Error;

/// About as often as Prometheus scrapes; counting sessions reads all of them.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(15);

pub(crate) fn record_save(trigger: CheckpointTrigger, stored_bytes: usize) {
    counter!("shim_checkpoint_saves_total", "trigger" => words::checkpoint_trigger(trigger))
        .increment(1);
    let bytes = u32::try_from(stored_bytes).unwrap_or(u32::MAX);
    histogram!("shim_checkpoint_state_bytes").record(bytes);
}

/// A group of changes was synced to the disk, or could not be.
pub(crate) fn record_commit(jobs: usize, sync: Option<Duration>) {
    match sync {
        Some(sync) => {
            let jobs = u32::try_from(jobs).unwrap_or(u32::MAX);
            histogram!("shim_checkpoint_commit_batch_jobs").record(jobs);
            histogram!("shim_checkpoint_commit_sync_seconds").record(sync);
        }
        None => counter!("shim_checkpoint_store_errors_total").increment(1),
    }
}

pub(crate) fn record_damage() {
    counter!("shim_checkpoint_damaged_total").increment(1);
}

pub(crate) fn record_pruned(checkpoints: u64) {
    counter!("shim_checkpoint_pruned_total").increment(checkpoints);
}

pub(crate) fn record_assessment(level: RiskLevel) {
    let level = match level {
        RiskLevel::Unspecified | RiskLevel::Safe => "safe",
        RiskLevel::Warning => "warning",
        RiskLevel::Danger => "danger",
    };
    counter!("shim_checkpoint_risk_assessments_total", "level" => level).increment(1);
}

/// A session lost its owner. `silence` is the time since the owner's last sign of life, if this process got one.
pub(crate) fn record_interruption(cause: InterruptionCause, silence: Option<Duration>) {
    counter!("shim_checkpoint_sessions_interrupted_total", "cause" => words::interruption_cause(cause))
        .increment(1);
    if let Some(silence) = silence {
        histogram!("shim_checkpoint_detection_delay_seconds").record(silence);
    }
}

pub(crate) fn record_lease_expiry() {
    counter!("shim_checkpoint_lease_expiries_total").increment(1);
}

pub(crate) fn record_recovery(from: InterruptionCause) {
    counter!("shim_checkpoint_sessions_recovered_total", "cause" => words::interruption_cause(from))
        .increment(1);
}

pub(crate) fn record_fidelity(fidelity: f64) {
    histogram!("shim_checkpoint_recovery_fidelity_ratio").record(fidelity);
}

/// What a kind of observed event is called.
pub(crate) fn observed_kind(event: &Event) -> &'static str {
    match event {
        Event::SessionStarted(_) => "session_started",
        Event::PromptSubmitted(_) => "prompt_submitted",
        Event::ToolCallStarted(_) => "tool_call_started",
        Event::ToolCallFinished(_) => "tool_call_finished",
        Event::CompactionStarted(_) => "compaction_started",
        Event::CompactionFinished(_) => "compaction_finished",
        Event::TurnEnded(_) => "turn_ended",
        Event::SubagentStarted(_) => "subagent_started",
        Event::SubagentEnded(_) => "subagent_ended",
        Event::CwdChanged(_) => "cwd_changed",
        Event::SessionEnded(_) => "session_ended",
        Event::UsageMeasured(_) => "usage_measured",
    }
}

/// An event that a client told by itself was kept.
pub(crate) fn record_observed(kind: Option<&'static str>, source: ObservationSource) {
    let source = match source {
        ObservationSource::Unspecified | ObservationSource::Hook => "hook",
        ObservationSource::Spool => "spool",
        ObservationSource::StatusLine => "status_line",
        ObservationSource::Transcript => "transcript",
    };
    if let Some(kind) = kind {
        counter!("shim_checkpoint_observed_events_total", "kind" => kind, "source" => source)
            .increment(1);
    }
}

/// Runs `record` once the change that is being made is on the disk; nothing if metrics are off. To be called in a job of
/// the writer.
pub(crate) fn after_commit(record: impl FnOnce() + 'static) {
    if shim_runtime::metrics::is_enabled() {
        shim_sqlite::after_commit(record);
    }
}

/// Keeps the gauges of what is stored, until the shutdown begins. A count that fails leaves them as they were.
pub(crate) async fn run<F>(count_sessions: impl Fn() -> F, database: PathBuf, shutdown: Shutdown)
where
    F: Future<Output = Result<Vec<(SessionStatus, u32)>, Error>>,
{
    let mut tick = tokio::time::interval(SAMPLE_INTERVAL);
    loop {
        tokio::select! {
            () = shutdown.wait() => return,
            _ = tick.tick() => {}
        }
        match count_sessions().await {
            Ok(counts) => set_session_gauges(&counts),
            Err(error) => tracing::debug!(%error, "the sessions could not be counted"),
        }
        // Exact up to 8 PiB.
        gauge!("shim_checkpoint_database_bytes").set(database_size_bytes(&database) as f64);
    }
}

fn set_session_gauges(counts: &[(SessionStatus, u32)]) {
    for (status, name) in [
        (SessionStatus::Active, "active"),
        (SessionStatus::Interrupted, "interrupted"),
        (SessionStatus::Ended, "ended"),
    ] {
        let count = counts.iter().find(|(counted, _)| *counted == status);
        gauge!("shim_checkpoint_sessions", "state" => name).set(count.map_or(0, |(_, n)| *n));
    }
}

/// The size of the database with its write-ahead log.
fn database_size_bytes(database: &Path) -> u64 {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    [database, Path::new(&log)]
        .into_iter()
        .filter_map(|file| std::fs::metadata(file).ok())
        .map(|file| file.len())
        .sum()
}
