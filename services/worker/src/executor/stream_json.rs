//! The lines of stream-json, as far as SHIM reads them. The format is that of
//! `claude -p --output-format stream-json --verbose`: `system`, `assistant` and `user` messages, then one `result`.
//!
//! The format grows: unknown messages and fields are passed over, and a null field counts as a missing one.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The agent's verdict on its own work.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AgentResult {
    #[serde(deserialize_with = "or_default")]
    subtype: String,
    #[serde(deserialize_with = "or_default")]
    is_error: bool,
    #[serde(deserialize_with = "or_default")]
    pub(super) result: String,
    #[serde(deserialize_with = "or_default")]
    errors: Vec<Value>,
    pub(super) structured_output: Value,
    #[serde(deserialize_with = "or_default")]
    pub(super) total_cost_usd: f64,
    #[serde(deserialize_with = "or_default")]
    pub(super) usage: Tokens,
}

/// Tokens that models read and wrote.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
pub(super) struct Tokens {
    #[serde(deserialize_with = "or_default")]
    input_tokens: u64,
    #[serde(deserialize_with = "or_default")]
    cache_creation_input_tokens: u64,
    #[serde(deserialize_with = "or_default")]
    cache_read_input_tokens: u64,
    #[serde(deserialize_with = "or_default")]
    pub(super) output_tokens: u64,
}

/// A message, one per line.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line {
    Assistant {
        message: Message,
    },
    User {
        message: Message,
    },
    Result(AgentResult),
    #[serde(other)]
    Other,
}

/// A turn of the conversation, or a part of one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    #[serde(deserialize_with = "or_default")]
    pub(super) id: String,
    content: Value,
    #[serde(deserialize_with = "or_default")]
    pub(super) usage: Tokens,
}

/// A part of a message.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Text {
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
        #[serde(default)]
        input: Value,
    },
    ToolResult {
        tool_use_id: String,
        #[serde(default)]
        content: Value,
        #[serde(default, deserialize_with = "or_default")]
        is_error: bool,
    },
    #[serde(other)]
    Other,
}

/// A null field counts as a missing one.
fn or_default<'de, T, D>(input: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

impl AgentResult {
    /// Whether the agent did its task.
    pub(super) fn is_success(&self) -> bool {
        !self.is_error && matches!(self.subtype.as_str(), "" | "success")
    }

    /// Whether another attempt is of no use: it would spend the same money again.
    pub(super) fn is_final(&self) -> bool {
        self.subtype == "error_max_budget_usd"
    }

    /// Why the agent failed.
    pub(super) fn error_message(&self) -> String {
        let errors = self.errors.iter().map(|error| match error {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        let fields = [self.subtype.clone(), self.result.clone()];
        let parts: Vec<_> = fields
            .into_iter()
            .chain(errors)
            .filter(|word| !word.is_empty() && word != "success")
            .collect();
        if parts.is_empty() {
            return "the agent says that it failed".to_owned();
        }
        parts.join(": ")
    }
}

impl Tokens {
    /// All tokens read, from a cache or not.
    pub(super) fn input_total(&self) -> u64 {
        self.input_tokens
            .saturating_add(self.cache_creation_input_tokens)
            .saturating_add(self.cache_read_input_tokens)
    }
}

impl Message {
    /// The blocks of the message; plain text counts as one.
    pub(super) fn blocks(&self) -> Vec<Block> {
        match &self.content {
            Value::String(text) => vec![Block::Text { text: text.clone() }],
            Value::Array(blocks) => blocks
                .iter()
                .filter_map(|block| Block::deserialize(block).ok())
                .collect(),
            _ => Vec::new(),
        }
    }
}
