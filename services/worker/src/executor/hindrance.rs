//! Whether what keeps an agent from every task passes by itself: a network that is away, a provider that asks its callers to
//! come back in a moment. Pure.

use shim_work::Hindrance;

use super::api_trouble::Evidence;
use super::unreached;

/// Statuses by which a provider asks to come back.
const BUSY: [u16; 3] = [429, 503, 529];
/// The same in words, which count where it is known that nobody is served.
const BUSY_WORDS: [&str; 8] = [
    "too many requests",
    "rate limit",
    "rate-limit",
    "rate_limit",
    "overloaded",
    "temporarily limiting",
    "(429)",
    "529",
];
/// What somebody has to do something about, or has a time that the agent does not tell.
const LASTING_WORDS: [&str; 14] = [
    "usage limit",
    "hit your",
    "hour limit",
    "weekly limit",
    "session limit",
    "extra usage",
    "credit",
    "quota",
    "billing",
    "api key",
    "/login",
    "logged in",
    "authenticat",
    "disabled",
];

/// What an agent that can do no task is kept by. `status` is that of the API call, 0 if none is known; `is_unanswered` says
/// that the call got none; `said` are the words about it.
pub(super) fn hindrance(
    status: u16,
    is_unanswered: bool,
    said: &str,
    evidence: Evidence<'_>,
) -> Hindrance {
    let small = said.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| small.contains(word));
    if evidence.limit.is_some() || says(&LASTING_WORDS) {
        return Hindrance::Lasting;
    }
    let retried = evidence.retried;
    let status = match retried {
        Some(call) if status == 0 => call.status(),
        _ => status,
    };
    if BUSY.contains(&status) || status == 0 && says(&BUSY_WORDS) {
        return Hindrance::Throttled;
    }
    let is_unreached = is_unanswered
        || retried.is_some_and(|call| call.is_unreached())
        || unreached::is_stated_in(said)
        || !evidence.has_worked && unreached::is_mentioned(&small);
    match status == 0 && is_unreached {
        true => Hindrance::Unreached,
        false => Hindrance::Lasting,
    }
}
