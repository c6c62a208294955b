//! What a tool answers when it cannot do what was asked: what is wrong, where, and the next step.
//!
//! A problem is an answer for the model (`isError`), never a JSON-RPC error.

use serde_json::{Value, json};
use shim_render::page::Page;
use shim_render::text::name;
use shim_runtime::service_error::decode;
use tonic::Status;

use crate::remedies;
use crate::render::brief::Facts;

const MAX_FIELD_CHARACTERS: usize = 200;

/// Why a tool did nothing.
#[derive(Debug, Clone)]
pub(crate) struct ToolError {
    /// A stable name in `UPPER_SNAKE_CASE`.
    pub(crate) reason: Box<str>,
    /// What is wrong, in one sentence without its full stop.
    pub(crate) message: String,
    /// The wrong fields, each with the rule it breaks.
    pub(crate) fields: Vec<(String, String)>,
    next_step: Option<Box<str>>,
    /// Whether the tool itself gave the next step.
    has_own_step: bool,
    retry_after_ms: Option<u64>,
    session_id: Option<Box<str>>,
}

impl ToolError {
    pub(crate) fn new(reason: impl Into<Box<str>>, message: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            message: message.into(),
            fields: Vec::new(),
            next_step: None,
            has_own_step: false,
            retry_after_ms: None,
            session_id: None,
        }
    }

    pub(crate) fn with_fields(mut self, fields: Vec<(String, String)>) -> Self {
        self.fields = fields;
        self
    }

    pub(crate) fn next_step(mut self, step: impl Into<Box<str>>) -> Self {
        self.next_step = Some(step.into());
        self.has_own_step = true;
        self
    }

    /// Puts a step this tool knows in place of the service's, if it was refused for this reason.
    pub(crate) fn next_step_for(self, reason: &str, step: impl Into<Box<str>>) -> Self {
        if &*self.reason == reason {
            self.next_step(step)
        } else {
            self
        }
    }

    /// Says which session it is about, in the next step, too, unless the tool gave that.
    pub(crate) fn about(mut self, session_id: impl Into<Box<str>>) -> Self {
        let session_id = session_id.into();
        if !self.has_own_step
            && let Some(step) = remedies::step(&self.reason, Some(&session_id))
        {
            self.next_step = Some(step.into());
        }
        self.session_id = Some(session_id);
        self
    }

    pub(crate) fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    /// The problem as text, a line for each fact.
    pub(crate) fn text(&self) -> Page {
        let mut text = Page::of(format!("{} ({}).", capitalized(&self.message), self.reason));
        for (field, rule) in &self.fields {
            text.line(format!("- {}: {rule}", name(field, MAX_FIELD_CHARACTERS)));
        }
        if let Some(step) = &self.next_step {
            text.line(format!("Next step: {step}."));
        }
        if let Some(delay) = self.retry_after_ms {
            text.line(format!("Not before: {delay} ms from now."));
        }
        text
    }

    /// The same facts for `structuredContent`.
    pub(crate) fn structured(&self) -> Value {
        let fields: Vec<_> = self
            .fields
            .iter()
            .map(|(field, rule)| json!({"field": field, "rule": rule}))
            .collect();
        Facts::new()
            .set("reason", &*self.reason)
            .set("message", self.message.as_str())
            .set_some("fields", fields)
            .set_some("next_step", self.next_step.as_deref())
            .set_some("retry_after_ms", self.retry_after_ms)
            .into()
    }
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().chain(characters).collect())
        .unwrap_or_default()
}

impl From<Status> for ToolError {
    fn from(status: Status) -> Self {
        let decoded = decode(&status);
        let message = if decoded.violations.is_empty() {
            decoded.message
        } else {
            "the service refused the request".to_owned()
        };
        let mut error = Self::new(decoded.reason, message).with_fields(decoded.violations);
        error.next_step = remedies::step(&error.reason, None)
            .or(decoded.remedy)
            .or_else(|| remedy_of(status.code()).map(str::to_owned))
            .map(String::into_boxed_str);
        error.retry_after_ms = decoded
            .retry_after
            .and_then(|delay| u64::try_from(delay.as_millis()).ok());
        error
    }
}

fn remedy_of(code: tonic::Code) -> Option<&'static str> {
    match code {
        tonic::Code::InvalidArgument => {
            Some("correct the arguments named and call the tool again; nothing was done")
        }
        tonic::Code::Unavailable => {
            Some("try again in a moment; if it stays so, the user can run `shim doctor`")
        }
        tonic::Code::DeadlineExceeded => Some(
            "the call may or may not have taken effect: look with shim_session_status, then try again",
        ),
        tonic::Code::Unauthenticated => {
            Some("the user can set auth.token_file to the token of the service")
        }
        tonic::Code::PermissionDenied => Some(
            "the user can put a token with a stronger role on the first line of auth.token_file",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shim_runtime::service_error::{ServiceError, Violations};

    #[test]
    fn a_remedy_gets_its_own_line_and_is_said_once() {
        let status = Status::from(ServiceError {
            code: tonic::Code::FailedPrecondition,
            reason: "DISK_FULL",
            message: "the disk is full".into(),
            remedy: Some("free space".into()),
            retry_after: None,
        });
        let error = ToolError::from(status);
        assert_eq!(
            error.text().as_str(),
            "The disk is full (DISK_FULL).\nNext step: free space."
        );
        assert_eq!(error.structured()["next_step"], "free space");
    }

    #[test]
    fn a_remedy_of_rpcs_is_put_into_words_of_the_tools() {
        let owned = ToolError::from(Status::from(ServiceError {
            code: tonic::Code::FailedPrecondition,
            reason: "SESSION_OWNED",
            message: "session 7 is held by y".into(),
            remedy: Some("close that client, or restore with take_over".into()),
            retry_after: None,
        }));
        let text = owned.clone().about("7").text().to_string();
        assert!(
            text.contains("`shim sessions restore 7 --take-over`"),
            "{text}"
        );
        assert!(
            !owned.text().as_str().contains("take_over"),
            "{}",
            owned.text()
        );
        let own_step = owned.next_step("wait").about("7");
        assert_eq!(own_step.structured()["next_step"], "wait");
    }

    #[test]
    fn violations_of_the_service_become_fields() {
        let mut violations = Violations::default();
        violations.add("progress", "must be 0..1");
        let error = ToolError::from(violations.finish().expect_err("a violation was noted"));
        assert_eq!(
            error.fields,
            [("progress".to_owned(), "must be 0..1".to_owned())]
        );
    }
}
