//! Which checkpoint contents have served their time.
//!
//! (A) Nothing younger than `keep_all` is dropped. (B) Then the newest of each hour stays, and after `keep_hourly`
//! the newest of each day. (C) The newest checkpoint of a session and those of its unfinished tasks always stay. Headers
//! stay in any case, so the chain can be walked across what was thinned.

use std::time::Duration;

use shim_sqlite::UnixMicros;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// The checkpoints to thin, given (number, time) of one session's contents in ascending order, and the numbers that its
/// unfinished tasks hold.
pub(crate) fn to_thin(
    kept: &[(u64, UnixMicros)],
    held: &[u64],
    keep_all: Duration,
    keep_hourly: Duration,
    now: UnixMicros,
) -> Vec<u64> {
    let mut thin = Vec::new();
    for pair in kept.windows(2) {
        let [(number, at), (_, next)] = pair else {
            continue;
        };
        let age = now.since(*at);
        let slot = if age < keep_all {
            continue;
        } else if age < keep_hourly {
            HOUR
        } else {
            DAY
        };
        // A newer checkpoint of the same slot stays.
        if at.0.div_euclid(slot) == next.0.div_euclid(slot) && !held.contains(number) {
            thin.push(*number);
        }
    }
    thin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_stays_whole_then_hours_then_days_and_the_newest_always() {
        let (day, week) = (Duration::from_secs(86_400), Duration::from_secs(7 * 86_400));
        let now = UnixMicros(30 * DAY);
        let every_ten_minutes: Vec<(u64, UnixMicros)> = (0..30 * 144)
            .map(|i| (i + 1, UnixMicros(i64::try_from(i).unwrap_or(0) * HOUR / 6)))
            .collect();
        let thin = to_thin(&every_ten_minutes, &[], day, week, now);
        let left: Vec<_> = every_ten_minutes
            .iter()
            .filter(|(number, _)| !thin.contains(number))
            .collect();
        let of_age = |from: i64, to: i64| {
            left.iter()
                .filter(|(_, at)| (from..to).contains(&((now.0 - at.0) / HOUR)))
                .count()
        };
        assert_eq!(of_age(0, 24), 143, "every ten minutes of the last day");
        assert!(
            (143..=146).contains(&of_age(24, 7 * 24)),
            "six days by the hour"
        );
        assert!(
            (22..=25).contains(&of_age(7 * 24, 31 * 24)),
            "the rest by the day"
        );
        let old = [(1, UnixMicros(0)), (2, UnixMicros(1))];
        assert_eq!(
            to_thin(&old, &[], day, week, now),
            [1],
            "the newest stays however old"
        );
        assert!(
            to_thin(&old, &[1], day, week, now).is_empty(),
            "an unfinished task holds it"
        );
        assert!(
            to_thin(&thinned(&every_ten_minutes, &thin), &[], day, week, now).is_empty(),
            "thinning twice changes nothing"
        );
    }

    fn thinned(all: &[(u64, UnixMicros)], thin: &[u64]) -> Vec<(u64, UnixMicros)> {
        all.iter()
            .filter(|(number, _)| !thin.contains(number))
            .copied()
            .collect()
    }
}
