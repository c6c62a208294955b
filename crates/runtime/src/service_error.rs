//! Failures on the wire: a gRPC code, a stable reason, and what to do next.
//!
//! Servers build a [`ServiceError`] and let it become a [`Status`] with `google.rpc` details (`BadRequest`, `ErrorInfo`,
//! `RetryInfo`; see <https://google.aip.dev/193>); clients read it back with [`decode`].

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use tonic::Code;
use tonic_types::{ErrorDetails, StatusExt};

pub use tonic::{Code as ErrorCode, Status};

/// The `domain` of every `ErrorInfo`.
pub const DOMAIN: &str = "shim";

/// The reason of a refused request whose fields are wrong.
pub const BAD_REQUEST: &str = "BAD_REQUEST";

const REMEDY: &str = "remedy";

/// More wrong fields than this are counted, not listed: an answer stays small whatever was sent.
const MAX_LISTED_VIOLATIONS: usize = 16;

/// Rules quote what was sent. Together they fit into the headers that answers come in, where they stand twice, once
/// with three characters for each byte that is not ASCII; of 16 KiB there.
const MAX_RULE_BYTES: usize = 512;
const MAX_LISTED_BYTES: usize = 2_048;

/// A failure to answer a caller with.
#[derive(Debug, Clone)]
pub struct ServiceError {
    /// The gRPC code.
    pub code: Code,
    /// A stable name in UPPER_SNAKE_CASE.
    pub reason: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What the caller can do, in one sentence.
    pub remedy: Option<String>,
    /// When to try again; `None` if trying again is no use by itself.
    pub retry_after: Option<Duration>,
}

impl From<ServiceError> for Status {
    fn from(error: ServiceError) -> Self {
        let mut metadata = HashMap::new();
        let mut message = error.message;
        if let Some(remedy) = error.remedy {
            message = format!("{message}; {remedy}");
            metadata.insert(REMEDY.to_owned(), remedy);
        }
        let mut details = ErrorDetails::new();
        details.set_error_info(error.reason, DOMAIN, metadata);
        if error.retry_after.is_some() {
            details.set_retry_info(error.retry_after);
        }
        Self::with_error_details(error.code, message, details)
    }
}

/// Collects every wrong field of a request, so a caller learns of all at once.
#[derive(Debug, Default)]
pub struct Violations {
    listed: Vec<(String, String)>,
    listed_bytes: usize,
    more: usize,
}

impl Violations {
    /// Notes that `field` is wrong; `rule` says what it must be and what it was.
    pub fn add(&mut self, field: impl Into<String>, rule: impl Into<String>) {
        let (field, rule) = (shortened(field.into()), shortened(rule.into()));
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
        details.set_error_info(BAD_REQUEST, DOMAIN, HashMap::new());
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

/// The text, cut where it becomes longer than an answer can carry.
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
    /// What is wrong.
    pub message: String,
    /// The wrong fields with their rules.
    pub violations: Vec<(String, String)>,
    /// What to do about it.
    pub remedy: Option<String>,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for DecodedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.reason)
    }
}

/// Reads a status back into words.
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
    DecodedStatus {
        code: status.code(),
        reason: info.map_or_else(
            || format!("{:?}", status.code()),
            |info| info.reason.clone(),
        ),
        message,
        violations: details
            .bad_request()
            .map(|bad| {
                bad.field_violations
                    .iter()
                    .map(|v| (v.field.clone(), v.description.clone()))
                    .collect()
            })
            .unwrap_or_default(),
        remedy: info.and_then(|info| info.metadata.get(REMEDY).cloned()),
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
            reason: "OVERLOADED",
            message: "too many calls".into(),
            remedy: Some("try again".into()),
            retry_after: Some(Duration::from_millis(250)),
        });
        let decoded = decode(&status);
        assert_eq!(decoded.code, Code::ResourceExhausted);
        assert_eq!(decoded.reason, "OVERLOADED");
        assert_eq!(decoded.remedy.as_deref(), Some("try again"));
        assert_eq!(decoded.retry_after, Some(Duration::from_millis(250)));
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
