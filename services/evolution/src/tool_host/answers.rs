//! What an answer of the host comes to: the result of the method, or why there is none.

use serde::de::DeserializeOwned;

use super::error::HostError;
use super::messages::{Failure, Response, code};

/// Why an answer has no result.
pub(super) enum AnswerFailure {
    PackageMissing(String),
    TooLarge(String),
    Tool(String),
    Unreadable(String),
}

impl AnswerFailure {
    /// The error of a call of `method`.
    pub(super) fn of(self, method: &str) -> HostError {
        let method = method.to_owned();
        match self {
            Self::PackageMissing(message) | Self::Tool(message) => {
                HostError::ToolFailed { method, message }
            }
            Self::TooLarge(why) => HostError::AnswerTooLarge { method, why },
            Self::Unreadable(why) => HostError::BadAnswer { method, why },
        }
    }
}

/// Reads the result out of the host's answer to a call of `method`.
pub(super) fn read_answer<T: DeserializeOwned>(
    method: &str,
    line: &[u8],
) -> Result<T, AnswerFailure> {
    let unreadable = |why: serde_json::Error| AnswerFailure::Unreadable(why.to_string());
    let response: Response<T> = serde_json::from_slice(line).map_err(unreadable)?;
    match response.error {
        None => match response.result {
            Some(result) => Ok(result),
            // `null` is a result as well, for whoever asks for none.
            None => serde_json::from_value(serde_json::Value::Null).map_err(unreadable),
        },
        Some(Failure { code, message }) => {
            tracing::debug!(method, code, message, "a tool failed");
            Err(match code {
                code::PACKAGE_MISSING => AnswerFailure::PackageMissing(message),
                code::TOO_LARGE => AnswerFailure::TooLarge(message),
                _ => AnswerFailure::Tool(message),
            })
        }
    }
}
