//! Figures of a transcript: tokens of the newest message, and what the conversation cost.

use std::time::Duration;

use prost_types::Timestamp;
use serde_json::Value;
use shim_proto::checkpoint::v1::UsageMeasured;

use super::record::{Record, number};

/// The figures that were told last.
#[derive(Debug, Default)]
pub(super) struct Usage {
    told: UsageMeasured,
    /// The message that the tokens are of, and when it came.
    of: Option<(String, Timestamp)>,
}

impl Usage {
    /// Takes the tokens of a message: all that it was given is in the context, and so is what it answered.
    pub(super) fn message(&mut self, message: &str, usage: &Value, model: &str, at: Timestamp) {
        let Some(tokens) = context_tokens(usage) else {
            return;
        };
        self.told.context_tokens = Some(tokens);
        model.clone_into(&mut self.told.model);
        self.of = Some((message.to_owned(), at));
    }

    /// Takes the sums that the client writes at the end of a run.
    pub(super) fn costs(&mut self, record: &Record<'_>) {
        let whole = |raw| number(raw).map(|number| number as u64);
        let span = |raw| {
            let span = Duration::from_millis(whole(raw)?);
            prost_types::Duration::try_from(span).ok()
        };
        self.told.cost_usd = number(record.total_cost_usd);
        self.told.total_duration = span(record.total_duration);
        self.told.api_duration = span(record.total_api_duration);
        self.told.lines_added = whole(record.total_lines_added);
        self.told.lines_removed = whole(record.total_lines_removed);
    }

    /// The context was compacted: how much it holds is not known until the next message.
    pub(super) fn compacted(&mut self) {
        self.told.context_tokens = None;
    }

    /// The figures with the message they are of; `None` if there was none.
    pub(super) fn into_told(self) -> Option<(String, Timestamp, UsageMeasured)> {
        let (message, at) = self.of?;
        Some((message, at, self.told))
    }
}

/// Tokens that the context holds by the usage of a message or of the status line; `None` if it does not say.
pub(crate) fn context_tokens(usage: &Value) -> Option<u64> {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    let cached = ["cache_creation_input_tokens", "cache_read_input_tokens"];
    let cached = cached.iter().filter_map(|name| count(name));
    let all = cached.fold(count("input_tokens")?, u64::saturating_add);
    Some(all).filter(|all| *all > 0)
}
