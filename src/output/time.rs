//! Moments beside the present, and spans of the contract.
//!
//! The present of unit tests is one fixed moment, so that printed times are the same in every run.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use shim_render::time::moment;

use crate::error::CliError;

/// The present.
#[cfg(not(test))]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// The present of unit tests: 2026-01-02T03:04:05Z.
#[cfg(test)]
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045)
}

/// The present in UTC with seconds, as a line of a watch begins.
pub(crate) fn clock() -> String {
    humantime::format_rfc3339_seconds(now()).to_string()
}

/// "3 min ago", or "-" for an unset moment.
pub(crate) fn ago(at: Option<&Timestamp>) -> String {
    moment(at).map_or_else(|| "-".to_owned(), |at| shim_render::time::ago(at, now()))
}

/// A moment in UTC with seconds, and how long ago it was; "-" if it is unset.
pub(crate) fn at(at: Option<&Timestamp>) -> String {
    let Some(time) = moment(at) else {
        return "-".to_owned();
    };
    let utc = humantime::format_rfc3339_seconds(time);
    format!("{utc} ({})", ago(at))
}

/// A span as the contract has it.
///
/// # Errors
/// If the span is longer than any limit of the contract.
pub(crate) fn proto_duration(span: Duration) -> Result<prost_types::Duration, CliError> {
    prost_types::Duration::try_from(span)
        .map_err(|_| CliError::new(format!("{} is too long", humantime::format_duration(span))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_printed_beside_the_present() {
        let before = |seconds| Timestamp::from(now() - Duration::from_secs(seconds));
        assert_eq!(ago(Some(&before(120))), "2 min ago");
        assert_eq!(at(Some(&before(0))), "2026-01-02T03:04:05Z (just now)");
        let soon = Timestamp::from(now() + Duration::from_secs(3_600));
        assert_eq!(ago(Some(&soon)), "in 1 h");
        assert_eq!((ago(None), at(None)), ("-".to_owned(), "-".to_owned()));
    }
}
