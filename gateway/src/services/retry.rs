//! Which refusals are worth another try, and after which delay.

use std::time::Duration;

use shim_proto::reasons::{NO_REDIS, OVERLOADED, STORE_UNAVAILABLE};
use shim_runtime::service_error::decode;
use tonic::{Code, Status};

/// A store that reconnects is back after this, or not for a while.
const STORE_DELAY: Duration = Duration::from_millis(250);

/// Whether a call that was refused is sent again after `attempts` tries: the delay, or `None` if that is no use.
pub(super) type RetryRule = fn(status: &Status, attempts: u32) -> Option<Duration>;

/// No refusal is worth another try.
pub(super) fn never(_: &Status, _: u32) -> Option<Duration> {
    None
}

/// Waits for a service that is away, and as long as an overloaded one asks for. A token that was replaced while the call
/// waited is shown anew, once.
pub(super) fn retry_until_back(status: &Status, attempts: u32) -> Option<Duration> {
    if is_connection_lost(status) || is_unauthenticated(status) && attempts == 1 {
        return Some(Duration::ZERO);
    }
    let decoded = decode(status);
    decoded.retry_after.filter(|_| decoded.reason == OVERLOADED)
}

/// As [`retry_until_back`], but a store behind the service is waited for once and not for long: a tool says soon that
/// it is away.
pub(super) fn retry_unless_store_unavailable(status: &Status, attempts: u32) -> Option<Duration> {
    match decode(status).reason.as_str() {
        NO_REDIS => None,
        STORE_UNAVAILABLE => (attempts == 1).then_some(STORE_DELAY),
        _ => retry_until_back(status, attempts),
    }
}

/// Whether the transport failed, rather than the service answered.
pub(crate) fn is_connection_lost(status: &Status) -> bool {
    status.code() == Code::Unavailable || std::error::Error::source(status).is_some()
}

/// Whether the service refused the token: the token file may hold another one by now.
pub(crate) fn is_unauthenticated(status: &Status) -> bool {
    status.code() == Code::Unauthenticated
}

#[cfg(test)]
mod tests {
    use super::*;
    use shim_runtime::service_error::ServiceError;

    fn fault(code: Code, reason: &'static str) -> Status {
        let retry_after = Some(Duration::from_millis(100));
        ServiceError {
            code,
            reason,
            message: "m".into(),
            remedy: None,
            retry_after,
        }
        .into()
    }

    #[test]
    fn only_lost_calls_and_overload_are_sent_again() {
        for rule in [retry_until_back, retry_unless_store_unavailable] {
            let delay = |status| rule(&status, 3);
            assert_eq!(delay(Status::unavailable("gone")), Some(Duration::ZERO));
            let overloaded = fault(Code::ResourceExhausted, OVERLOADED);
            assert_eq!(delay(overloaded), Some(Duration::from_millis(100)));
            assert_eq!(delay(fault(Code::ResourceExhausted, "DISK_FULL")), None);
            assert_eq!(delay(Status::failed_precondition("stale")), None);
            assert_eq!(delay(Status::deadline_exceeded("slow")), None);
            let lapsed = fault(Code::Unauthenticated, "TOKEN_REFUSED");
            assert_eq!(rule(&lapsed, 1), Some(Duration::ZERO));
            assert_eq!(rule(&lapsed, 2), None);
        }
    }

    #[test]
    fn a_store_that_is_away_is_asked_once_more_and_a_missing_one_is_not() {
        let away = fault(Code::Unavailable, STORE_UNAVAILABLE);
        assert_eq!(retry_unless_store_unavailable(&away, 1), Some(STORE_DELAY));
        assert_eq!(retry_unless_store_unavailable(&away, 2), None);
        let missing = fault(Code::Unavailable, NO_REDIS);
        assert_eq!(retry_unless_store_unavailable(&missing, 1), None);
    }
}
