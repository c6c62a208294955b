//! What became of an attempt, by what the agent said and how its program ended. Pure.
//!
//! One rule decides when these contradict:
//!
//! 1. **A success that was said stands.** A result line states it in `is_error` and `subtype`, whatever its other fields say. Once a result line says success and hands something over, the task is completed,
//!    whatever comes before or after it: other result lines, an exit code, a signal, the time limit, a stop. Work that was
//!    reported as done is not done again. What contradicts it stands in the result's remarks.
//! 2. Of several successes the last counts that hands something over. A success without a text hands over the last text of
//!    the agent. If there is none either, it is a failure for good: nothing is there for those who wait for it, and the work
//!    may be done. What is nothing but the program's own statement of a limit is no answer in either place.
//! 3. **Without a success, the last result line counts**, and how the program ended does not.
//! 4. **Without a result line, the end of the program counts.**
//!
//! Where `fail_on_denial` is set, a success with a denied permission is a failure for good, for each attempt would end so.
//! A failure that lies with the provider or with the program, not with the task, makes the worker unfit and costs the task no
//! attempt. What the agent said last is kept with every failure.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use shim_exec::clipped;
use shim_proto::reasons::task::{BUDGET_EXHAUSTED, EXECUTOR_FAILED, PERMISSION_DENIED, TIMED_OUT};
use shim_render::time::span;
use shim_runtime::redact;
use shim_work::{AttemptFailure, Hindrance, Unfit};

use super::api_trouble::{self, Evidence, RetriedCall, Trouble};
use super::hindrance::hindrance;
use super::not_executed::NOT_EXECUTABLE;
use super::result_line::AgentResult;
use super::transcript::Transcript;
use super::values::{Tokens, is_blank};

/// Bytes of the last text in an error's message: the reason comes first and must fit, too.
const MAX_QUOTED_BYTES: usize = 3_000;
/// What is said of a program that printed no message.
const NO_MESSAGES: &str = "it ended without a result, and nothing that it printed is stream-json \
                           (claude needs -p --output-format stream-json --verbose)";
/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProgramEnd {
    /// With this code.
    Exited(i32),
    /// By a signal, as it is called.
    Signalled(String),
    /// It was ended after its result.
    Lingered,
    /// Its time, so long, was up.
    TimedOut(Duration),
    /// Its worker stopped it.
    Stopped,
    /// Its worker ended it because the API will answer no call.
    GaveUp,
}

/// What a verdict is reached by, beside the transcript.
#[derive(Debug, Clone)]
pub(super) struct Ending<'a> {
    pub(super) program: ProgramEnd,
    /// What the program wrote to its standard error.
    pub(super) stderr: &'a str,
    /// Whether a denied permission fails the attempt.
    pub(super) fail_on_denial: bool,
    pub(super) now: SystemTime,
}

/// What became of an attempt.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Completed(Completed),
    Failed(AttemptFailure),
    Unfit(Unfit),
    Stopped,
}

/// What an agent hands over.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Completed {
    pub(super) text: String,
    pub(super) data: Option<Map<String, Value>>,
    pub(super) denials: Vec<String>,
    pub(super) remarks: Vec<String>,
}

/// The verdict on an attempt.
pub(super) fn verdict(mut transcript: Transcript, ending: &Ending<'_>) -> Verdict {
    transcript.finish();
    let success = transcript
        .results
        .iter()
        .rposition(|result| result.is_success && !result.is_empty())
        .or_else(|| {
            transcript
                .results
                .iter()
                .rposition(|result| result.is_success)
        });
    if let Some(at) = success {
        let is_last = at + 1 == transcript.results.len();
        let result = &transcript.results[at];
        let evidence = evidence(&transcript, ending);
        if let Some(why) = not_begun(result, evidence) {
            return unfit(&why, None, Hindrance::Lasting);
        }
        return match api_trouble::of_success(result, evidence) {
            Some((notice, until)) if is_last => {
                unfit(notice, until, hindrance(0, false, notice, evidence))
            }
            _ => of_success(transcript, at, ending),
        };
    }
    if ending.program == ProgramEnd::Stopped {
        return Verdict::Stopped;
    }
    match transcript.results.last() {
        Some(result) => of_failure(result, &transcript, ending),
        None => of_silence(&transcript, ending),
    }
}

/// Why a success is none: nobody asked a model, since something on the machine, such as a hook, answered in its place.
fn not_begun(result: &AgentResult, evidence: Evidence<'_>) -> Option<String> {
    let is_idle = result.is_without_turn && result.tokens == Tokens::default();
    let has_begun = evidence.has_worked || result.has_data() || is_blank(&result.text);
    (is_idle && !has_begun).then(|| format!("no model was asked: {}", result.text))
}

fn of_success(mut transcript: Transcript, at: usize, ending: &Ending<'_>) -> Verdict {
    let success = transcript.results.swap_remove(at);
    let contradiction = (transcript.results.iter().skip(at)).find(|result| !result.is_success);
    let contradiction =
        contradiction.map(|result| format!("a later result line said: {}", result.complaint()));
    let mut remarks = success.remarks.clone();
    remarks.extend(contradiction);
    remarks.extend(remark_on(&ending.program));
    let (text, remark) = handed_over(&success, std::mem::take(&mut transcript.last_text));
    remarks.extend(remark.map(str::to_owned));
    if is_blank(&text) && !success.has_data() {
        let message = "the agent reported success without a result, and wrote no text before it; \
                       the work may be done: look before you retry it";
        return final_failure(EXECUTOR_FAILED, message, &success.denials);
    }
    if ending.fail_on_denial && !success.denials.is_empty() {
        let quoted = quoted(&text);
        let message = format!("a permission was denied, and fail_on_denial is set{quoted}");
        return final_failure(PERMISSION_DENIED, &message, &success.denials);
    }
    Verdict::Completed(Completed {
        text,
        data: success.data,
        denials: success.denials,
        remarks,
    })
}

/// The text that a success hands over, and what is to be known of it: the last text of the agent where its own is missing.
fn handed_over(success: &AgentResult, last_text: String) -> (String, Option<&'static str>) {
    let is_empty = is_blank(&success.text);
    match (is_empty, success.is_cut) {
        (true, _) if last_text.is_empty() => (String::new(), None),
        (true, false) => {
            let remark = "its result was empty; this is the last text it wrote";
            (last_text, Some(remark))
        }
        (true, true) => {
            let remark = "its result line was cut off; this is the last text it wrote";
            (last_text, Some(remark))
        }
        (false, true) if last_text.starts_with(&success.text) => {
            let remark = "the end of its result line is missing; this is the last text it wrote";
            (last_text, Some(remark))
        }
        (false, true) => {
            let remark = "the end of its result line is missing, and maybe of this text, too";
            (success.text.clone(), Some(remark))
        }
        (false, false) => (success.text.clone(), None),
    }
}

/// What contradicts a success in how the program ended.
fn remark_on(program: &ProgramEnd) -> Option<String> {
    Some(match program {
        ProgramEnd::Exited(0) | ProgramEnd::Lingered => return None,
        ProgramEnd::Exited(code) => format!("its program exited with {code} after it"),
        ProgramEnd::Signalled(signal) => format!("its program was killed after it: {signal}"),
        ProgramEnd::TimedOut(limit) => {
            format!("its program went on until its {} were up", span(*limit))
        }
        ProgramEnd::Stopped | ProgramEnd::GaveUp => "its program was stopped after it".to_owned(),
    })
}

fn final_failure(reason: &str, message: &str, denials: &[String]) -> Verdict {
    Verdict::Failed(AttemptFailure {
        is_final: true,
        ..AttemptFailure::new(reason, &with_denials(message, denials))
    })
}

fn of_failure(result: &AgentResult, transcript: &Transcript, ending: &Ending<'_>) -> Verdict {
    let complaint = result.complaint();
    let evidence = evidence(transcript, ending);
    let trouble = api_trouble::of_result(result, evidence);
    if let Trouble::Unfit(until) = trouble {
        let stated = || evidence.stated_last().unwrap_or_default();
        let notice = evidence.notice.unwrap_or_else(stated);
        let is_unanswered = result.terminal_reason == "api_error";
        let why = match complaint.contains(notice) {
            true => complaint,
            false => format!("{complaint}: {notice}"),
        };
        let about = hindrance(result.api_status, is_unanswered, &why, evidence);
        return unfit(&why, until, about);
    }
    let last_text = match transcript.last_text.trim() {
        said if complaint.contains(said) => String::new(),
        said => quoted(said),
    };
    let message = with_denials(&complaint, &result.denials) + &last_text;
    let reason = match result.subtype.as_str() {
        "error_max_budget_usd" => BUDGET_EXHAUSTED,
        _ => EXECUTOR_FAILED,
    };
    Verdict::Failed(AttemptFailure {
        is_final: trouble == Trouble::Final,
        ..AttemptFailure::new(reason, &message)
    })
}

/// The verdict on a program that ended without a result line.
fn of_silence(transcript: &Transcript, ending: &Ending<'_>) -> Verdict {
    let last_words = last_words(transcript, ending.stderr);
    let explained = |what: &str| format!("{what}{last_words}");
    match &ending.program {
        ProgramEnd::TimedOut(limit) => {
            let what = format!("its time was up after {}", span(*limit));
            return Verdict::Failed(AttemptFailure::new(TIMED_OUT, &explained(&what)));
        }
        ProgramEnd::Exited(code) if NOT_EXECUTABLE.contains(code) && !transcript.has_messages => {
            let why = explained(&format!("exit status: {code}"));
            return unfit(&why, None, Hindrance::Lasting);
        }
        ProgramEnd::Stopped => return Verdict::Stopped,
        _ => {}
    }
    let outside = outside_of_messages(transcript, ending.stderr);
    let evidence = evidence(transcript, ending);
    if let Some(Trouble::Unfit(until)) = api_trouble::of_silence(&outside, evidence) {
        let about = hindrance(0, false, &last_words, evidence);
        let refused = evidence
            .retried
            .filter(|_| ending.program == ProgramEnd::GaveUp);
        let what = refused.map_or(
            "it ended without a result".to_owned(),
            RetriedCall::describe,
        );
        return unfit(&explained(&what), until, about);
    }
    Verdict::Failed(match &ending.program {
        ProgramEnd::Exited(code @ 1..) => {
            AttemptFailure::new(EXECUTOR_FAILED, &explained(&format!("exit status: {code}")))
        }
        ProgramEnd::Signalled(signal) => AttemptFailure::crash(&explained(signal)),
        _ if !transcript.has_messages => AttemptFailure::crash(&explained(NO_MESSAGES)),
        _ => AttemptFailure::crash(&explained("it ended without a result")),
    })
}

fn evidence<'a>(transcript: &'a Transcript, ending: &Ending<'_>) -> Evidence<'a> {
    Evidence {
        limit: transcript.limit,
        retried: transcript.retried.as_ref(),
        has_worked: transcript.has_worked || !transcript.last_text.is_empty(),
        notice: transcript.notice.as_deref(),
        last_text: &transcript.last_text,
        has_gone_on: transcript.has_gone_on,
        now: ending.now,
    }
}

fn unfit(why: &str, until: Option<SystemTime>, about: Hindrance) -> Verdict {
    Verdict::Unfit(Unfit::new(why, until).about(about))
}

/// What the program wrote that is no message: its standard error, then its last lines.
fn outside_of_messages(transcript: &Transcript, stderr: &str) -> String {
    let lines = transcript.plain.iter().map(String::as_str);
    let parts: Vec<&str> = [stderr.trim()].into_iter().chain(lines).collect();
    parts.join("\n").trim().to_owned()
}

/// What explains a program's end best: what it wrote beside its messages, and what the agent said last.
fn last_words(transcript: &Transcript, stderr: &str) -> String {
    let mut words = String::new();
    let outside = outside_of_messages(transcript, stderr);
    if !outside.is_empty() {
        words.push('\n');
        words.push_str(&outside);
    }
    if let Some(notice) = &transcript.notice {
        words.push('\n');
        words.push_str(notice);
    }
    words + &quoted(&transcript.last_text)
}

fn quoted(text: &str) -> String {
    match text.trim() {
        "" => String::new(),
        text => {
            let (said, _) = clipped(&redact::text(text), MAX_QUOTED_BYTES);
            format!("\nthe agent said last: {said}")
        }
    }
}

fn with_denials(message: &str, denials: &[String]) -> String {
    match denials {
        [] => message.to_owned(),
        denials => format!("{message}\nnot permitted: {}", denials.join("; ")),
    }
}

#[cfg(test)]
mod tests;
