//! The runs of a schedule: five cron fields, in UTC.
//!
//! A schedule computes times from times and reads no clock.

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use shim_proto::limits::task::MAX_SCHEDULE_BYTES;

/// The times at which a job runs.
#[derive(Debug, Clone)]
pub(crate) struct Schedule(Cron);

impl Schedule {
    /// Reads minute, hour, day of the month, month and day of the week.
    ///
    /// # Errors
    /// What is wrong, in words for the author of the schedule.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let fields = text.split_whitespace().count();
        if fields != 5 || text.len() > MAX_SCHEDULE_BYTES {
            return Err(format!(
                "must be five cron fields (minute, hour, day of the month, month, day of the week), such as \"0 6 * * 1-5\", \
                 of at most {MAX_SCHEDULE_BYTES} bytes; it has {fields} fields in {} bytes",
                text.len()
            ));
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        parser.parse(text).map(Self).map_err(|wrong| {
            let what = match wrong {
                CronError::ComponentError(what)
                | CronError::InvalidPattern(what)
                | CronError::IllegalCharacters(what) => what,
                other => other.to_string(),
            };
            format!("is no cron schedule: {what}")
        })
    }

    /// The first run after a time, both in seconds since the Unix epoch; `None` if there is none.
    pub(crate) fn after(&self, unix_seconds: i64) -> Option<i64> {
        let after = DateTime::<Utc>::from_timestamp(unix_seconds, 0)?;
        let next = self.0.find_next_occurrence(&after, false).ok()?;
        Some(next.timestamp())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp()
    }

    fn next(schedule: &str, after: &str) -> i64 {
        Schedule::parse(schedule).unwrap().after(at(after)).unwrap()
    }

    #[test]
    fn the_next_run_is_after_the_given_time() {
        let cases = [
            ("* * * * *", "2026-03-01T00:00:00Z", "2026-03-01T00:01:00Z"),
            (
                "*/15 * * * *",
                "2026-03-01T00:14:59Z",
                "2026-03-01T00:15:00Z",
            ),
            (
                "0 6 * * 1-5",
                "2026-03-06T06:00:00Z",
                "2026-03-09T06:00:00Z",
            ),
            ("30 4 1 * *", "2026-12-31T23:59:59Z", "2027-01-01T04:30:00Z"),
            ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            (
                "0 12 * JAN mon",
                "2026-02-01T00:00:00Z",
                "2027-01-04T12:00:00Z",
            ),
        ];
        for (schedule, after, expected) in cases {
            assert_eq!(
                next(schedule, after),
                at(expected),
                "{schedule} after {after}"
            );
        }
    }

    #[test]
    fn a_day_that_does_not_exist_has_no_run() {
        let never = Schedule::parse("0 0 30 2 *").unwrap();
        assert_eq!(never.after(at("2026-01-01T00:00:00Z")), None);
    }

    #[test]
    fn a_wrong_schedule_is_refused_with_its_reason() {
        let wrong = |text: &str| Schedule::parse(text).unwrap_err();
        assert!(wrong("* * * *").ends_with("it has 4 fields in 7 bytes"));
        assert!(wrong("0 * * * * *").contains("it has 6 fields"));
        assert!(wrong("@daily").contains("it has 1 fields"));
        for text in [
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "a * * * *",
            "* * * 13 *",
            "5-1 * * * *",
        ] {
            assert!(wrong(text).starts_with("is no cron schedule: "), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_next_run_is_later_and_none_is_skipped(
            minute in 0i64..60,
            every in 1i64..30,
            after in 0i64..4_000_000_000,
        ) {
            let hourly = Schedule::parse(&format!("{minute} * * * *")).unwrap();
            let next = hourly.after(after).unwrap();
            prop_assert!(next > after && next - after <= 3_600);
            prop_assert_eq!(next.rem_euclid(3_600), minute * 60);

            let often = Schedule::parse(&format!("*/{every} * * * *")).unwrap();
            let next = often.after(after).unwrap();
            prop_assert!(next > after && next - after <= every * 60);
            prop_assert_eq!(next.rem_euclid(3_600) / 60 % every, 0);
        }
    }
}
