//! Failures that lie with the provider and not with the task: a limit, an overload, a key, a network. Told by the status of the API
//! call, by what the agent reported of its limits, and last by its words. Pure.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use serde_json::Value;

use super::limit_words::whole::is_own_statement;
use super::limit_words::{is_machine_form, mentions, states};
use super::result_line::AgentResult;
use super::unreached;
use super::values::{amount, is_blank, status, text};

/// The longest window of a limit is a week; a later reset is none.
const LONGEST_LIMIT: Duration = Duration::from_secs(8 * 86_400);
/// A greater number counts milliseconds.
const MILLIS_FROM: f64 = 1e11;
/// A worker that waits so long serves nobody meanwhile.
const LONG_PAUSE: Duration = Duration::from_secs(30);

/// A limit that the provider enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    /// When it ends, if the provider says.
    resets_at: Option<SystemTime>,
}

/// A call of the API that failed and was tried again.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RetriedCall {
    status: u16,
    error: String,
    /// It got no answer at all.
    is_unreached: bool,
    /// How often it was tried again by now.
    attempt: f64,
    /// How long the program waits until it asks again.
    pause: Duration,
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
            is_unreached: line.get("error_status").is_some_and(Value::is_null),
            attempt: amount(&line["attempt"]).unwrap_or_default(),
            pause: pause(&line["retry_delay_ms"]),
        }
    }

    /// A call that failed for good, by the name that an assistant line gives its error.
    pub(super) fn named(error: &str) -> Self {
        Self {
            status: 0,
            error: error.to_owned(),
            is_unreached: false,
            attempt: 0.0,
            pause: Duration::ZERO,
        }
    }

    /// The status of its answer; 0 if there is none or it is not known.
    pub(super) fn status(&self) -> u16 {
        self.status
    }

    pub(super) fn is_unreached(&self) -> bool {
        self.is_unreached
    }

    /// Whether trying again is of no use: a key that was refused twice (the first refusal may only have it renewed), or a
    /// pause that the worker keeps better.
    pub(super) fn is_hopeless(&self) -> bool {
        let is_refused = matches!(self.status, 401..=404 | 407);
        is_refused && self.attempt >= 2.0 || self.pause >= LONG_PAUSE
    }

    /// When it would be tried again, if that is long from now.
    fn resumes_at(&self, now: SystemTime) -> Option<SystemTime> {
        (self.pause >= LONG_PAUSE)
            .then(|| now.checked_add(self.pause))
            .flatten()
    }

    /// The call in a few words.
    pub(super) fn describe(&self) -> String {
        match self.status {
            0 => format!("the API did not answer: {}", self.error),
            status => format!("the API answered {status}: {}", self.error),
        }
    }

    /// Whether the call of any task would fail so.
    fn is_for_all(&self) -> bool {
        let named = ["billing", "authentication", "server_error", "overload"];
        self.is_unreached
            || of_status(self.status) == Some(Trouble::Unfit(None))
            || named.iter().any(|name| self.error.contains(name))
            || mentions(&self.error)
    }
}

/// What is known of a run beside its last words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence<'a> {
    /// The limit that the agent ran into last.
    pub(super) limit: Option<Limit>,
    /// The call of the API that was tried again last.
    pub(super) retried: Option<&'a RetriedCall>,
    /// Whether the model was heard or used any tool: what is said may then be its own words.
    pub(super) has_worked: bool,
    /// What the program wrote last in the place of a model's answer, if the model said nothing after it.
    pub(super) notice: Option<&'a str>,
    /// What the agent said last; empty if it said nothing.
    pub(super) last_text: &'a str,
    /// Whether it used a tool after that.
    pub(super) has_gone_on: bool,
    pub(super) now: SystemTime,
}

impl<'a> Evidence<'a> {
    /// Whether what no model wrote says that no task can be done. What a task may be about counts only before any work.
    fn is_said(&self, outside: &str) -> bool {
        states(outside) || unreached::is_stated_in(outside) || !self.has_worked && mentions(outside)
    }

    /// The last text, if it states that no task can be done, and nothing was done after it.
    pub(super) fn stated_last(&self) -> Option<&'a str> {
        (!self.has_gone_on && states(self.last_text)).then_some(self.last_text)
    }

    /// What stands in the place of the answer of a success that hands nothing over.
    fn in_place_of_answer(&self) -> Option<&'a str> {
        let said = || self.stated_last().filter(|said| is_own_statement(said));
        self.notice.filter(|notice| mentions(notice)).or_else(said)
    }

    /// When the limit ends, if words, the notice or the limit's event tell.
    fn resets_at(&self, words: &str) -> Option<SystemTime> {
        let stated = self.stated_last().unwrap_or_default();
        let said = [words, self.notice.unwrap_or_default(), stated];
        let mut moments = said
            .iter()
            .filter_map(|said| resets_at(self.limit, said, self.now));
        let paused = || self.retried.and_then(|call| call.resumes_at(self.now));
        moments.next().or_else(paused)
    }

    fn has_notice_of_a_limit(&self) -> bool {
        self.notice.is_some_and(mentions)
    }
}

/// The notice that a success hands over in the place of an answer, and when an agent can work again; `None` if it is an
/// answer. A notice is what no model says: the program's own words, what nobody but the program says and stands alone, a limit
/// that was just enforced, or the form for programs.
pub(super) fn of_success<'a>(
    result: &'a AgentResult,
    evidence: Evidence<'a>,
) -> Option<(&'a str, Option<SystemTime>)> {
    let text = result.text.as_str();
    if result.has_data() {
        return None;
    }
    if is_blank(text) {
        let said = evidence.in_place_of_answer()?;
        return Some((said, evidence.resets_at(said)));
    }
    let is = |said: &str| said.trim() == text.trim();
    let is_own = evidence.notice.is_some_and(is) && mentions(text);
    let is_enforced = evidence.limit.is_some() && states(text);
    // A text that the agent went on after was no end of its work.
    let is_early = evidence.has_gone_on && is(evidence.last_text);
    let is_alone = !is_early && is_own_statement(text);
    let is_notice = is_own || is_enforced || is_alone || is_machine_form(text);
    is_notice.then(|| (text, evidence.resets_at(text)))
}

/// What the failure that an agent states means.
pub(super) fn of_result(result: &AgentResult, evidence: Evidence<'_>) -> Trouble {
    let complaint = result.complaint();
    let Evidence { limit, retried, .. } = evidence;
    let words = || std::iter::once(&result.text).chain(&result.errors);
    let is_silent = words().all(|words| is_blank(words));
    let says_unfit = evidence.has_notice_of_a_limit()
        || words().any(|words| states(words))
        || is_silent && evidence.stated_last().is_some();
    let unfit = || Trouble::Unfit(evidence.resets_at(&complaint));
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
        Some(call) if call.is_for_all() => unfit(),
        _ => Trouble::Passing,
    }
}

/// What is known of a run that ended without a result: when it can be tried again, if the reason lies with the provider.
pub(super) fn of_silence(said: &str, evidence: Evidence<'_>) -> Option<Trouble> {
    let Evidence { limit, retried, .. } = evidence;
    let is_refused = retried.is_some_and(RetriedCall::is_for_all);
    let is_said = evidence.has_notice_of_a_limit()
        || evidence.stated_last().is_some()
        || evidence.is_said(said);
    let is_unfit = limit.is_some() || is_refused || is_said;
    is_unfit.then(|| Trouble::Unfit(evidence.resets_at(said)))
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

/// Milliseconds until a call is tried again.
fn pause(millis: &Value) -> Duration {
    let seconds = amount(millis).unwrap_or_default() / 1_000.0;
    let pause = Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_LIMIT);
    pause.min(LONGEST_LIMIT)
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
mod tests;
