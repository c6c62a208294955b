//! Failures on the wire: a gRPC code, a stable reason, a message and a remedy.
//!
//! Servers build a [`ServiceError`] and let it become a [`Status`] with `google.rpc` details (`BadRequest`, `ErrorInfo`,
//! `RetryInfo`; see <https://google.aip.dev/193>); clients read it back with [`decode`]. The status message says what is
//! wrong and nothing else; the remedy is the entry `remedy` in the metadata of `ErrorInfo`, so that a client can put its
//! own words in its place. Clients without a remedy of their own print [`explanation`].

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use shim_proto::reasons;
use shim_render::text;
use tonic::Code;
use tonic_types::{ErrorDetails, StatusExt};

pub use tonic::{Code as ErrorCode, Status};

/// The `domain` of every `ErrorInfo`.
pub const DOMAIN: &str = "shim";

/// The key of the remedy in the metadata of `ErrorInfo`.
const REMEDY: &str = "remedy";

/// More wrong fields than this are counted, not listed: an answer stays small whatever was sent.
const MAX_LISTED_VIOLATIONS: usize = 16;

/// Rules quote what was sent. All of them fit into the 16 KiB of an answer's headers, which carry each rule twice: once
/// in the details, and once in the message with three characters for each byte that is not ASCII.
const MAX_RULE_BYTES: usize = 512;
const MAX_LISTED_BYTES: usize = 2_048;

/// Why a call is refused.
#[derive(Debug, Clone)]
pub struct ServiceError {
    /// The gRPC code.
    pub code: Code,
    /// One of [`shim_proto::reasons`].
    pub reason: &'static str,
    /// What is wrong, in one sentence without its full stop and without the remedy.
    pub message: String,
    /// What the caller can do, in one sentence without its full stop.
    pub remedy: Option<String>,
    /// When to try again; `None` if waiting changes nothing.
    pub retry_after: Option<Duration>,
}

impl From<ServiceError> for Status {
    fn from(error: ServiceError) -> Self {
        let remedy = error
            .remedy
            .map(|remedy| (REMEDY.to_owned(), in_one_line(&remedy)));
        let metadata = HashMap::from_iter(remedy);
        let mut details = ErrorDetails::new();
        details.set_error_info(error.reason, DOMAIN, metadata);
        if error.retry_after.is_some() {
            details.set_retry_info(error.retry_after);
        }
        Self::with_error_details(error.code, in_one_line(&error.message), details)
    }
}

/// Collects every wrong field of a request, so that one refusal names them all.
#[derive(Debug, Default)]
pub struct Violations {
    listed: Vec<(String, String)>,
    listed_bytes: usize,
    more: usize,
}

impl Violations {
    /// Notes that `field` is wrong; `rule` says what it must be and what it was.
    pub fn add(&mut self, field: impl Into<String>, rule: impl Into<String>) {
        let shown = |text: String| shortened(in_one_line(&shortened(text)));
        let (field, rule) = (shown(field.into()), shown(rule.into()));
        let bytes = self.listed_bytes + field.len() + rule.len();
        if self.listed.len() < MAX_LISTED_VIOLATIONS && bytes <= MAX_LISTED_BYTES {
            self.listed_bytes = bytes;
            self.listed.push((field, rule));
        } else {
            self.more += 1;
        }
    }

    /// Whether nothing was noted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// `Ok` if nothing was noted.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming every field noted.
    pub fn finish(self) -> Result<(), Status> {
        if self.is_empty() {
            return Ok(());
        }
        let mut message = self
            .listed
            .iter()
            .map(|(field, rule)| format!("{field}: {rule}"))
            .collect::<Vec<_>>()
            .join("; ");
        if self.more > 0 {
            message = format!("{message}; and {} more", self.more);
        }
        let mut details = ErrorDetails::new();
        details.set_error_info(reasons::BAD_REQUEST, DOMAIN, HashMap::new());
        for (field, rule) in self.listed {
            details.add_bad_request_violation(field, rule);
        }
        Err(Status::with_error_details(
            Code::InvalidArgument,
            message,
            details,
        ))
    }
}

/// What is said of a failure is one line with nothing hidden, whatever it repeats of others' texts.
fn in_one_line(text: &str) -> String {
    text::line(text).into_owned()
}

/// The text, cut at the length that an answer can carry.
fn shortened(mut text: String) -> String {
    if text.len() > MAX_RULE_BYTES {
        text.truncate(text.floor_char_boundary(MAX_RULE_BYTES));
        text.push_str(" ...");
    }
    text
}

/// A failure as a client sees it.
#[derive(Debug, Clone)]
pub struct DecodedStatus {
    /// The gRPC code.
    pub code: Code,
    /// The stable reason, or the code's name if the server gave none.
    pub reason: String,
    /// What is wrong, without the remedy.
    pub message: String,
    /// The wrong fields with their rules.
    pub violations: Vec<(String, String)>,
    /// The service's remedy, in terms of its RPCs.
    pub remedy: Option<String>,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

impl DecodedStatus {
    /// The message, and the remedy if there is one: "what is wrong; what to do".
    #[must_use]
    pub fn explanation(&self) -> String {
        match &self.remedy {
            Some(remedy) => format!("{}; {remedy}", self.message),
            None => self.message.clone(),
        }
    }
}

/// Message, remedy and reason: "what is wrong; what to do (REASON)".
impl fmt::Display for DecodedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.explanation(), self.reason)
    }
}

/// The message of a status, and its remedy if it has one.
#[must_use]
pub fn explanation(status: &Status) -> String {
    decode(status).explanation()
}

/// Reads a status back into its parts.
#[must_use]
pub fn decode(status: &Status) -> DecodedStatus {
    let details = status.get_error_details();
    let info = details.error_info();
    let message = match status.code() {
        Code::Unavailable if info.is_none() => {
            format!("the service cannot be reached: {}", innermost(status))
        }
        _ => status.message().to_owned(),
    };
    let field_of = |text: &String| in_one_line(text);
    DecodedStatus {
        code: status.code(),
        reason: info.map_or_else(
            || format!("{:?}", status.code()),
            |info| field_of(&info.reason),
        ),
        message: in_one_line(&message),
        violations: details
            .bad_request()
            .map(|bad| {
                bad.field_violations
                    .iter()
                    .map(|v| (field_of(&v.field), field_of(&v.description)))
                    .collect()
            })
            .unwrap_or_default(),
        remedy: info.and_then(|info| info.metadata.get(REMEDY).map(field_of)),
        retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
    }
}

/// The deepest cause of a transport failure says most: "connection refused" rather than "transport error".
fn innermost(status: &Status) -> String {
    let mut cause = std::error::Error::source(status);
    let mut text = status.message().to_owned();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_error_survives_the_wire() {
        let status = Status::from(ServiceError {
            code: Code::ResourceExhausted,
            reason: reasons::OVERLOADED,
            message: "too many calls".into(),
            remedy: Some("try again".into()),
            retry_after: Some(Duration::from_millis(250)),
        });
        let decoded = decode(&status);
        assert_eq!(decoded.code, Code::ResourceExhausted);
        assert_eq!(decoded.reason, reasons::OVERLOADED);
        assert_eq!(status.message(), "too many calls");
        assert_eq!(decoded.message, "too many calls");
        assert_eq!(decoded.remedy.as_deref(), Some("try again"));
        assert_eq!(explanation(&status), "too many calls; try again");
        assert_eq!(
            decoded.to_string(),
            "too many calls; try again (OVERLOADED)"
        );
        assert_eq!(decoded.retry_after, Some(Duration::from_millis(250)));
    }

    #[test]
    fn whatever_a_failure_repeats_stays_one_line() {
        let hostile = "no x\nhint: run\u{2028}y\u{9b}2J\u{202e}";
        let status = Status::from(ServiceError {
            code: Code::NotFound,
            reason: reasons::SESSION_NOT_FOUND,
            message: hostile.into(),
            remedy: Some(hostile.into()),
            retry_after: None,
        });
        let mut violations = Violations::default();
        violations.add(hostile, hostile);
        let wrong = violations.finish().expect_err("a violation was noted");
        for status in [status, wrong, Status::internal(hostile)] {
            let decoded = decode(&status);
            let fields = decoded
                .violations
                .iter()
                .flat_map(|(field, rule)| [field, rule]);
            for text in fields.chain([&decoded.message]).chain(&decoded.remedy) {
                assert!(
                    !text.chars().any(shim_render::hidden::is_hidden),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn a_flood_of_violations_stays_small() {
        let mut violations = Violations::default();
        for i in 0..100_000 {
            violations.add(format!("decisions[{i}]"), "is too long");
        }
        let status = violations.finish().expect_err("violations were noted");
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().len() < 2_000 && status.message().ends_with("and 99984 more"));
        assert_eq!(decode(&status).violations.len(), MAX_LISTED_VIOLATIONS);
    }

    #[test]
    fn rules_that_quote_long_texts_stay_small() {
        let mut violations = Violations::default();
        for _ in 0..100 {
            violations.add("key", format!("there is no {}", "\u{e4}".repeat(10_000)));
        }
        let status = violations.finish().expect_err("violations were noted");
        let decoded = decode(&status);
        assert!(status.message().len() < 3_000, "{decoded}");
        assert!(!decoded.violations.is_empty());
        for (_, rule) in decoded.violations {
            assert!(rule.starts_with("there is no") && rule.ends_with(" ..."));
        }
    }
}
