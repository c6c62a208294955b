//! Moments and spans as people say them.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;

use crate::error::CliError;

const ALMOST: Duration = Duration::from_millis(999);

/// "3 min ago", or "-" for a moment that never was.
pub(crate) fn ago(moment: Option<&Timestamp>) -> String {
    let Some(at) = moment.and_then(|moment| SystemTime::try_from(*moment).ok()) else {
        return "-".to_owned();
    };
    match SystemTime::now().duration_since(at) {
        Ok(age) if age < Duration::from_secs(1) => "just now".to_owned(),
        Ok(age) => format!("{} ago", span(age)),
        // What was asked for as an hour is still called so a moment later.
        Err(ahead) => format!("in {}", span(ahead.duration() + ALMOST)),
    }
}

/// A moment in UTC with seconds, and how long ago it was.
pub(crate) fn at(moment: Option<&Timestamp>) -> String {
    let Some(time) = moment.and_then(|moment| SystemTime::try_from(*moment).ok()) else {
        return "-".to_owned();
    };
    format!(
        "{} ({})",
        humantime::format_rfc3339_seconds(time),
        ago(moment)
    )
}

/// A span in its largest unit.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A span as the contract has it.
///
/// # Errors
/// If it is longer than any limit of the contract.
pub(crate) fn proto_duration(span: Duration) -> Result<prost_types::Duration, CliError> {
    prost_types::Duration::try_from(span)
        .map_err(|_| CliError::new(format!("{} is too long", humantime::format_duration(span))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_take_their_largest_unit() {
        let said = |seconds| span(Duration::from_secs(seconds));
        assert_eq!(
            [said(59), said(60), said(7_199), said(90_000), said(172_800)],
            ["59 s", "1 min", "1 h", "25 h", "2 d"]
        );
    }

    #[test]
    fn a_moment_is_told_from_now() {
        let before = |seconds| Timestamp::from(SystemTime::now() - Duration::from_secs(seconds));
        assert_eq!(ago(Some(&before(125))), "2 min ago");
        assert_eq!(ago(Some(&before(0))), "just now");
        let soon = Timestamp::from(SystemTime::now() + Duration::from_secs(3_600));
        assert_eq!(ago(Some(&soon)), "in 1 h");
        assert_eq!(ago(None), "-");
    }
}
