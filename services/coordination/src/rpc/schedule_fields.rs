//! The schedule of a request: its first runs, and what its submitter should know of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;
use shim_proto::coordination::v1::{OverlapPolicy, SubmitTaskRequest, Task};
use shim_proto::limits::task::MAX_DELAY;

use super::fields::Fields;
use crate::domain::schedule::Schedule;
use crate::schedule_reader;

/// The runs that the answer to a submission names.
const TOLD_RUNS: usize = 3;

/// What a schedule means.
#[derive(Debug, Default)]
pub(super) struct ScheduleReading {
    /// Its next runs; none if there is no schedule.
    pub(super) next_runs: Vec<SystemTime>,
    note: Option<&'static str>,
}

impl ScheduleReading {
    /// The next runs as the answer has them.
    pub(super) fn told_runs(&self) -> Vec<Timestamp> {
        self.next_runs.iter().copied().map(Into::into).collect()
    }

    /// What the submitter should know.
    pub(super) fn notes(&self, overlap: OverlapPolicy) -> Vec<String> {
        if self.next_runs.is_empty() {
            return Vec::new();
        }
        let overlap = match overlap {
            OverlapPolicy::Allow => {
                "each run is submitted, even while earlier ones wait or run (overlap: allow)"
            }
            OverlapPolicy::Skip | OverlapPolicy::Unspecified => {
                "a run that is due while an earlier one waits or runs is left out and counted (overlap: skip)"
            }
        };
        self.note
            .into_iter()
            .chain([overlap])
            .map(str::to_owned)
            .collect()
    }
}

/// Reads the schedule of a submission, whose first run comes after its delay.
///
/// # Errors
/// What is wrong with the field, in words.
pub(super) async fn of_submission(job: &SubmitTaskRequest) -> Result<ScheduleReading, String> {
    let delay = job.delay.and_then(|delay| Duration::try_from(delay).ok());
    let start = SystemTime::now() + delay.unwrap_or_default().min(MAX_DELAY);
    let text = job.schedule.clone();
    if text.is_empty() {
        return Ok(ScheduleReading::default());
    }
    read(start, move || Schedule::parse(&text)).await
}

/// The next run of a schedule that is kept.
///
/// # Errors
/// What is wrong with the field, in words.
pub(super) async fn next_run_of(template: &Task) -> Result<SystemTime, String> {
    let text = template.schedule.clone();
    let reading = read(SystemTime::now(), move || Schedule::stored(&text)).await?;
    let first = reading.next_runs.first();
    first.copied().ok_or_else(|| "has no next run".to_owned())
}

async fn read(
    start: SystemTime,
    parse: impl FnOnce() -> Result<Schedule, String> + Send + 'static,
) -> Result<ScheduleReading, String> {
    let after = start.duration_since(UNIX_EPOCH).unwrap_or_default();
    let after = i64::try_from(after.as_secs()).unwrap_or(i64::MAX);
    let reading = schedule_reader::read(move || {
        let schedule = parse()?;
        Ok::<_, String>((schedule.runs_after(after, TOLD_RUNS), schedule.note()))
    });
    let (runs, note) = reading.await.map_err(|slow| slow.to_string())??;
    let at = |run: i64| Some(UNIX_EPOCH + Duration::from_secs(u64::try_from(run).ok()?));
    let next_runs: Vec<_> = runs.into_iter().filter_map(at).collect();
    if next_runs.is_empty() {
        return Err("names a day that never comes".to_owned());
    }
    Ok(ScheduleReading { next_runs, note })
}

impl Fields {
    /// The rules of a schedule; returns its first run.
    pub(super) fn schedule(
        &mut self,
        job: &SubmitTaskRequest,
        read: &Result<ScheduleReading, String>,
    ) -> Option<SystemTime> {
        let overlaps = "SKIP, ALLOW or left out";
        self.one_of::<OverlapPolicy>("overlap", job.overlap, overlaps);
        if job.schedule.is_empty() {
            if job.overlap != 0 {
                self.refuse("overlap", "is for a schedule, and there is none");
            }
            return None;
        }
        if job.deadline.is_some() {
            self.refuse(
                "deadline",
                "cannot go with a schedule, whose runs never end",
            );
        }
        match read {
            Ok(reading) => reading.next_runs.first().copied(),
            Err(wrong) => {
                self.refuse("schedule", wrong.as_str());
                None
            }
        }
    }
}
