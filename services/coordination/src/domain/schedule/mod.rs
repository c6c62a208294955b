//! The runs of a schedule: five cron fields, in UTC.
//!
//! A schedule computes times from times and reads no clock. Reading and searching take the cron library's time, so callers
//! do both through [`crate::schedule_reader`], never on a thread of the runtime.

mod checked;
mod fields;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use checked::CheckedSchedule;

/// What two given fields of days mean.
const BOTH_DAYS: &str = "day of the month and day of the week are both given: it runs on each day that either of them \
    names, not only on days that both name";

/// The times at which a job runs.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    cron: Cron,
    gives_both_days: bool,
}

impl Schedule {
    /// Reads minute, hour, day of the month, month and day of the week.
    ///
    /// # Errors
    /// What is wrong, in words for the author of the schedule.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let checked = CheckedSchedule::parse(text)?;
        Ok(Self {
            cron: library(&checked.canonical())?,
            gives_both_days: checked.gives_both_days(),
        })
    }

    /// Reads a schedule that is kept. An older version took more than [`Self::parse`] does, and what it took goes on.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub(crate) fn stored(text: &str) -> Result<Self, String> {
        Self::parse(text).or_else(|wrong| {
            if has_empty_field(text) {
                return Err(wrong);
            }
            let cron = library(text).map_err(|_| wrong)?;
            Ok(Self {
                cron,
                gives_both_days: false,
            })
        })
    }

    /// The first runs after a time, all in seconds since the Unix epoch; fewer than `count` if there are no more.
    pub(crate) fn runs_after(&self, unix_seconds: i64, count: usize) -> Vec<i64> {
        let mut runs = Vec::with_capacity(count);
        let mut after = unix_seconds;
        while runs.len() < count
            && let Some(next) = self.after(after)
        {
            runs.push(next);
            after = next;
        }
        runs
    }

    /// The first run after a time, both in seconds since the Unix epoch; `None` if there is none.
    pub(crate) fn after(&self, unix_seconds: i64) -> Option<i64> {
        let after = DateTime::<Utc>::from_timestamp(unix_seconds, 0)?;
        let next = self.cron.find_next_occurrence(&after, false).ok()?;
        Some(next.timestamp())
    }

    /// What its author may not expect, in words.
    pub(crate) fn note(&self) -> Option<&'static str> {
        self.gives_both_days.then_some(BOTH_DAYS)
    }
}

/// Whether a field is all commas. The library takes it for one that allows nothing, and looks for its run in thousands of years.
fn has_empty_field(text: &str) -> bool {
    text.split_whitespace()
        .any(|field| field.bytes().all(|byte| byte == b','))
}

/// A schedule as the library reads it.
fn library(text: &str) -> Result<Cron, String> {
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build();
    let read = parser.parse(text);
    read.map_err(|wrong| format!("is no cron schedule: {wrong}"))
}
