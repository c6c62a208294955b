//! Failures that lie with the provider and not with the task: a limit, an overload, a key. Told by the status of the API
//! call, by what the agent reported of its limits, and last by its words. Pure.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use serde_json::Value;

use super::result_line::AgentResult;
use super::values::{amount, status, text};

/// The longest window of a limit is a week; a later reset is none.
const LONGEST_LIMIT: Duration = Duration::from_secs(8 * 86_400);
/// A greater number counts milliseconds.
const MILLIS_FROM: f64 = 1e11;
/// Bytes of a complaint that are searched for the words of a limit.
const MAX_COMPLAINT_BYTES: usize = 2_000;

/// What providers and `claude` say when no task can be done, and no task says.
const UNFIT_WORDS: [&str; 20] = [
    "usage limit reached",
    "hit your limit",
    "hit your usage limit",
    "hit your session limit",
    "hit your weekly limit",
    "hit your 5-hour limit",
    "rate_limit_error",
    "overloaded_error",
    "credit balance is too low",
    "billing_error",
    "invalid api key",
    "invalid x-api-key",
    "invalid bearer token",
    "please run /login",
    "not logged in",
    "authentication_error",
    "failed to authenticate",
    "oauth token has expired",
    "oauth token revoked",
    "api error: 529",
];

/// The same in words that a task may be about, too: they count only of an agent that did nothing yet.
const UNFIT_WORDS_OF_THE_IDLE: [&str; 7] = [
    "usage limit",
    "limit reached",
    "rate limit",
    "too many requests",
    "overloaded",
    "token has expired",
    "unauthorized",
];

/// A limit that the provider enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    /// When it ends, if the provider says.
    resets_at: Option<SystemTime>,
}

/// A call of the API that failed and was tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RetriedCall {
    status: u16,
    error: String,
}

/// What a failure means for the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Another attempt would fail alike.
    Final,
    /// Another attempt may succeed.
    Passing,
    /// No task can be done now; at the earliest then, if that is known.
    Unfit(Option<SystemTime>),
}

impl Limit {
    /// The limit of an event; `None` if it stops nothing.
    pub(super) fn of(event: &Value) -> Option<Self> {
        let inner = ["rate_limit_info", "rate_limit"];
        let inner = inner.iter().find_map(|name| event[*name].as_object());
        let info = inner.or(event.as_object())?;
        let status = info.get("status").or(event.get("status"));
        let status = status.and_then(Value::as_str).unwrap_or_default();
        if status.starts_with("allowed") {
            return None;
        }
        let names = ["resetsAt", "resets_at", "resetAt", "reset_at"];
        let found = names
            .iter()
            .find_map(|name| info.get(*name).or(event.get(*name)));
        Some(Self {
            resets_at: found.and_then(moment),
        })
    }
}

impl RetriedCall {
    pub(super) fn of(line: &Value) -> Self {
        Self {
            status: status(&line["error_status"]),
            error: text(line, "error"),
        }
    }
}

/// What is known of a run beside its last words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence<'a> {
    /// The limit that the agent ran into last.
    pub(super) limit: Option<Limit>,
    /// The call of the API that was tried again last.
    pub(super) retried: Option<&'a RetriedCall>,
    /// Whether the agent used any tool.
    pub(super) has_worked: bool,
    pub(super) now: SystemTime,
}

/// What the failure that an agent states means.
pub(super) fn of_result(result: &AgentResult, evidence: Evidence<'_>) -> Trouble {
    let complaint = result.complaint();
    let Evidence {
        limit,
        retried,
        has_worked,
        now,
    } = evidence;
    let says_unfit = says_unfit(&complaint, has_worked);
    let unfit = || Trouble::Unfit(resets_at(limit, &complaint, now));
    match result.subtype.as_str() {
        // It would spend the same money again.
        "error_max_budget_usd" => return Trouble::Final,
        "error_max_turns" => return Trouble::Passing,
        _ if result.terminal_reason == "prompt_too_long" => return Trouble::Final,
        _ => {}
    }
    let by_status = of_status(result.api_status).or_else(|| of_error_type(&result.api_error_type));
    match by_status {
        Some(Trouble::Unfit(_)) => return unfit(),
        Some(_) if says_unfit => return unfit(),
        Some(trouble) => return trouble,
        None => {}
    }
    // The API could not be reached: the call has no status.
    let is_unreached = result.terminal_reason == "api_error";
    if is_unreached || limit.is_some() || says_unfit {
        return unfit();
    }
    match retried {
        Some(call) if of_status(call.status) == Some(Trouble::Unfit(None)) => unfit(),
        _ => Trouble::Passing,
    }
}

/// What is known of a run that ended without a result: when it can be tried again, if the reason lies with the provider.
pub(super) fn of_silence(said: &str, evidence: Evidence<'_>) -> Option<Trouble> {
    let Evidence {
        limit,
        retried,
        has_worked,
        now,
    } = evidence;
    let is_refused = retried.is_some_and(|call| {
        of_status(call.status) == Some(Trouble::Unfit(None)) || says_unfit(&call.error, false)
    });
    let is_unfit = limit.is_some() || is_refused || says_unfit(said, has_worked);
    is_unfit.then(|| Trouble::Unfit(resets_at(limit, said, now)))
}

/// What the status of an API call means; `None` if there is none.
fn of_status(status: u16) -> Option<Trouble> {
    Some(match status {
        0 => return None,
        // Key, payment, permission, model: none of them is the task's.
        401..=404 | 407 => Trouble::Unfit(None),
        // Limit, overload, outage.
        408 | 425 | 429 | 500..=599 => Trouble::Unfit(None),
        409 => Trouble::Passing,
        400..=499 => Trouble::Final,
        _ => Trouble::Passing,
    })
}

/// The same by the name of the error (docs of the Messages API, "Errors").
fn of_error_type(name: &str) -> Option<Trouble> {
    Some(match name {
        "authentication_error"
        | "billing_error"
        | "permission_error"
        | "not_found_error"
        | "rate_limit_error"
        | "overloaded_error"
        | "api_error"
        | "timeout_error" => Trouble::Unfit(None),
        "invalid_request_error" | "request_too_large" => Trouble::Final,
        _ => return None,
    })
}

/// Whether a complaint has the words of a limit, an overload or a key.
fn says_unfit(complaint: &str, has_worked: bool) -> bool {
    let end = complaint.floor_char_boundary(MAX_COMPLAINT_BYTES);
    let said = complaint[..end].to_lowercase();
    let is_said = |words: &&str| said.contains(*words);
    UNFIT_WORDS.iter().any(is_said) || (!has_worked && UNFIT_WORDS_OF_THE_IDLE.iter().any(is_said))
}

/// When a limit ends: by its event, or by the seconds at the end of "limit reached|1764500000".
fn resets_at(limit: Option<Limit>, complaint: &str, now: SystemTime) -> Option<SystemTime> {
    let named = limit.and_then(|limit| limit.resets_at);
    let said = || {
        let (_, seconds) = complaint.rsplit_once('|')?;
        let digits: String = seconds
            .trim()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        moment(&Value::String(digits))
    };
    named
        .or_else(said)
        .filter(|reset| *reset > now && *reset < now + LONGEST_LIMIT)
}

/// A moment in seconds or milliseconds of Unix time, or as RFC 3339.
fn moment(value: &Value) -> Option<SystemTime> {
    let Some(number) = amount(value) else {
        let moment: Timestamp = value.as_str()?.parse().ok()?;
        return SystemTime::try_from(moment).ok();
    };
    let seconds = if number >= MILLIS_FROM {
        number / 1_000.0
    } else {
        number
    };
    let since = Duration::try_from_secs_f64(seconds).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_764_500_000;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn evidence(has_worked: bool) -> Evidence<'static> {
        Evidence {
            limit: None,
            retried: None,
            has_worked,
            now: at(NOW),
        }
    }

    fn trouble(line: &Value, event: Option<&Value>) -> Trouble {
        let evidence = Evidence {
            limit: event.and_then(Limit::of),
            ..evidence(false)
        };
        of_result(&AgentResult::of(line), evidence)
    }

    #[test]
    fn what_a_task_may_be_about_counts_only_before_any_work() {
        let about = json!({"is_error": true, "result": "The rate limit tests fail"});
        let result = AgentResult::of(&about);
        assert_eq!(of_result(&result, evidence(true)), Trouble::Passing);
        assert_eq!(of_result(&result, evidence(false)), Trouble::Unfit(None));
        let limited = json!({"is_error": true, "result": "You've hit your limit"});
        let result = AgentResult::of(&limited);
        assert_eq!(of_result(&result, evidence(true)), Trouble::Unfit(None));
    }

    #[test]
    fn the_status_of_the_call_tells_final_passing_and_unfit_apart() {
        let (is_final, passing) = (Trouble::Final, Trouble::Passing);
        let unfit = Trouble::Unfit(None);
        for (fields, expected) in [
            (json!({"api_error_status": 400}), is_final),
            (json!({"api_error_status": 413}), is_final),
            (json!({"api_error_status": 401}), unfit),
            (json!({"api_error_status": "401"}), unfit),
            (json!({"api_error_status": 402}), unfit),
            (json!({"api_error_status": 403}), unfit),
            (json!({"api_error_status": 404}), unfit),
            (json!({"api_error_status": 429}), unfit),
            (json!({"api_error_status": 500}), unfit),
            (json!({"api_error_status": 503}), unfit),
            (json!({"api_error_status": 529}), unfit),
            (json!({"api_error_status": 409}), passing),
            (json!({"api_error_status": 7}), passing),
            (
                json!({"api_error_status": 400, "result": "Your credit balance is too low"}),
                unfit,
            ),
            (json!({"api_error_type": "overloaded_error"}), unfit),
            (json!({"api_error_type": "invalid_request_error"}), is_final),
            (
                json!({"api_error_status": null, "terminal_reason": "api_error"}),
                unfit,
            ),
            (json!({"terminal_reason": "prompt_too_long"}), is_final),
            (json!({"terminal_reason": "aborted_tools"}), passing),
            (json!({"subtype": "error_max_budget_usd"}), is_final),
            (
                json!({"subtype": "error_max_turns", "errors": ["rate limit of the turns"]}),
                passing,
            ),
            (
                json!({"result": "You've hit your limit · resets 3pm"}),
                unfit,
            ),
            (
                json!({"result": "Invalid API key · Please run /login"}),
                unfit,
            ),
            (json!({"errors": ["Overloaded"]}), unfit),
            (json!({"result": "The tests fail"}), passing),
            (json!({}), passing),
        ] {
            let mut line = fields.clone();
            line["is_error"] = true.into();
            assert_eq!(trouble(&line, None), expected, "{fields}");
        }
    }

    #[test]
    fn a_limit_ends_when_the_provider_says() {
        let later = NOW + 3_600;
        let line =
            json!({"is_error": true, "subtype": "success", "result": "You've hit your limit"});
        let known = Trouble::Unfit(Some(at(later)));
        for (event, expected) in [
            (json!({"resetsAt": later}), known),
            (
                json!({"rate_limit_info": {"status": "rejected", "resetsAt": later}}),
                known,
            ),
            (
                json!({"rate_limit_info": {"resetsAt": later * 1_000}}),
                known,
            ),
            (
                json!({"rate_limit_info": {"resets_at": later.to_string()}}),
                known,
            ),
            (
                json!({"rate_limit_info": {"resetsAt": "2025-11-30T11:53:20Z"}}),
                known,
            ),
            (
                json!({"rate_limit_info": {"resetsAt": NOW - 1}}),
                Trouble::Unfit(None),
            ),
            (
                json!({"rate_limit_info": {"resetsAt": NOW + 30 * 86_400}}),
                Trouble::Unfit(None),
            ),
            (
                json!({"rate_limit_info": {"resetsAt": 1e300}}),
                Trouble::Unfit(None),
            ),
            (
                json!({"rate_limit_info": {"resetsAt": "soon"}}),
                Trouble::Unfit(None),
            ),
            (
                json!({"rate_limit_info": {"resetsAt": null}}),
                Trouble::Unfit(None),
            ),
            (
                json!({"rate_limit_info": {"status": "allowed_warning", "resetsAt": later}}),
                Trouble::Unfit(None),
            ),
        ] {
            assert_eq!(trouble(&line, Some(&event)), expected, "{event}");
        }
        let old =
            json!({"is_error": true, "result": format!("Claude AI usage limit reached|{later}")});
        assert_eq!(trouble(&old, None), known);
    }
}
