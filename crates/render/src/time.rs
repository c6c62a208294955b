//! Moments and spans: as machines read them and as people say them. The current time is always an argument.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Below two days, hours say more than days.
const DAYS_FROM: u64 = 2 * DAY;
/// From here on the smaller unit says less than a tenth of the whole.
const ONE_UNIT_FROM: u64 = 10;

/// What is still called an hour a moment after it was asked for as one.
const ALMOST: Duration = Duration::from_millis(999);

/// The moment of an optional timestamp; `None` if it is unset or outside of the system's clock.
#[must_use]
pub fn moment(at: Option<&Timestamp>) -> Option<SystemTime> {
    SystemTime::try_from(*at?).ok()
}

/// The span of an optional duration of the contract; `None` if it is unset or negative.
#[must_use]
pub fn duration(span: Option<prost_types::Duration>) -> Option<Duration> {
    Duration::try_from(span?).ok()
}

/// RFC 3339, or "" for no time.
#[must_use]
pub fn rfc3339(at: Option<&Timestamp>) -> String {
    at.map(Timestamp::to_string).unwrap_or_default()
}

/// A span: "38 s", "1 min 30 s", "12 min", "3 h 5 min", "25 h", "2 d". The second unit stands only where the first
/// one is below ten, so a span is off by less than a tenth.
#[must_use]
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => two_units(seconds, (MINUTE, "min"), (1, "s")),
        HOUR..DAYS_FROM => two_units(seconds, (HOUR, "h"), (MINUTE, "min")),
        _ => two_units(seconds, (DAY, "d"), (HOUR, "h")),
    }
}

fn two_units(seconds: u64, large: (u64, &str), small: (u64, &str)) -> String {
    let whole = seconds / large.0;
    let rest = seconds % large.0 / small.0;
    if whole >= ONE_UNIT_FROM || rest == 0 {
        return format!("{whole} {}", large.1);
    }
    format!("{whole} {} {rest} {}", large.1, small.1)
}

/// A moment beside the present: "2 min ago", "just now" or "in 1 h".
#[must_use]
pub fn ago(at: SystemTime, now: SystemTime) -> String {
    match now.duration_since(at) {
        Ok(age) if age < Duration::from_secs(1) => "just now".to_owned(),
        Ok(age) => format!("{} ago", span(age)),
        Err(ahead) => format!("in {}", span(ahead.duration() + ALMOST)),
    }
}

/// The time until a moment: "9 min 30 s left"; "0 s left" once it has passed.
#[must_use]
pub fn time_left(until: SystemTime, now: SystemTime) -> String {
    let left = until.duration_since(now).unwrap_or_default();
    format!("{} left", span(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(seconds: u64) -> String {
        span(Duration::from_secs(seconds))
    }

    #[test]
    fn a_span_is_short_and_off_by_less_than_a_tenth() {
        assert_eq!([said(0), said(59), said(60)], ["0 s", "59 s", "1 min"]);
        assert_eq!(
            [said(90), said(240), said(659)],
            ["1 min 30 s", "4 min", "10 min"]
        );
        assert_eq!([said(3_600), said(7_199)], ["1 h", "1 h 59 min"]);
        assert_eq!([said(90_000), said(172_800)], ["25 h", "2 d"]);
        assert_eq!([said(200_000), said(864_000)], ["2 d 7 h", "10 d"]);
    }

    #[test]
    fn a_moment_is_said_from_the_present() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let before = |seconds| ago(now - Duration::from_secs(seconds), now);
        assert_eq!([before(120), before(0)], ["2 min ago", "just now"]);
        let soon = now + Duration::from_millis(3_599_100);
        assert_eq!(ago(soon, now), "in 1 h");
        assert_eq!(
            time_left(now + Duration::from_secs(570), now),
            "9 min 30 s left"
        );
        assert_eq!(time_left(now, now + Duration::from_secs(9)), "0 s left");
    }

    #[test]
    fn what_is_unset_is_no_moment() {
        assert_eq!(
            (moment(None), duration(None), rfc3339(None)),
            (None, None, String::new())
        );
        let at = Timestamp {
            seconds: 86_400,
            nanos: 0,
        };
        assert_eq!(rfc3339(Some(&at)), "1970-01-02T00:00:00Z");
        assert_eq!(
            moment(Some(&at)),
            Some(SystemTime::UNIX_EPOCH + Duration::from_secs(DAY))
        );
    }
}
