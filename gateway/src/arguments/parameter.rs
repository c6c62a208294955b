//! The parameters of a tool, their types, and the JSON Schema that says both to a client.

use rmcp::model::JsonObject;
use serde_json::{Map, Value, json};
use shim_proto::limits::MAX_PATH_BYTES;
use shim_proto::limits::task::MAX_KEY_BYTES;

/// The longest name of a capability.
pub(super) const MAX_NAME_BYTES: usize = shim_proto::limits::worker::MAX_CAPABILITY_BYTES;

/// Instead of a session's id, asks for a session of its own.
pub(crate) const NEW_SESSION: &str = "new";
/// Instead of a task's id, stands for none.
pub(crate) const NO_TASK: &str = "none";

/// The characters of a whole id.
const ID_LENGTH: usize = 36;
/// The longest `:NUMBER`.
const NUMBER_LENGTH: usize = 21;

/// What an argument names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    Session,
    /// A session, or a worker that reads messages in an inbox of its own.
    SessionOrWorker,
    Worker,
    /// A job, or a part of one, also as JOB/PART.
    Task,
    /// A checkpoint, also as SESSION:NUMBER, or as SESSION for its newest one.
    Checkpoint,
}

impl Named {
    /// The most characters or bytes a name of it has.
    const fn max_length(self) -> usize {
        match self {
            Self::Session | Self::SessionOrWorker | Self::Worker => ID_LENGTH,
            Self::Task => ID_LENGTH + 1 + MAX_KEY_BYTES,
            Self::Checkpoint => ID_LENGTH + NUMBER_LENGTH,
        }
    }
}

/// The form an argument must have.
pub(crate) enum ParameterType {
    /// Text of at most so many bytes that is not blank.
    Text { max_bytes: usize },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A finite number within the limits, both included.
    Number { min: f64, max: f64 },
    /// A whole number within the limits, both included.
    Integer { min: u64, max: u64 },
    /// A whole number of up to 64 bits, written as text since JSON's numbers are shorter; a number is taken, too.
    Digits,
    /// A list of texts that are not blank.
    Texts { max_items: usize, max_bytes: usize },
    /// A list of paths that stay where they say they are.
    Paths { max_items: usize },
    /// What has an id, by the whole id or by a short one, for which `short_ids` puts the whole id before the tool runs; or
    /// `word` in its place.
    Id {
        of: Named,
        word: Option<&'static str>,
    },
    /// True or false.
    Flag,
    /// A list of names as capabilities have them.
    Names { max_items: usize },
    /// Any JSON object of at most so many bytes.
    Object { max_bytes: usize },
    /// A list of JSON objects with these fields.
    Records {
        max_items: usize,
        fields: &'static [Parameter],
    },
}

impl ParameterType {
    /// An id, whole or short.
    pub(crate) const fn id(of: Named) -> Self {
        Self::Id { of, word: None }
    }

    /// An id, whole or short, or a word in its place.
    pub(crate) const fn id_or(of: Named, word: &'static str) -> Self {
        Self::Id {
            of,
            word: Some(word),
        }
    }

    /// The JSON Schema of the form.
    pub(super) fn schema(&self) -> Map<String, Value> {
        let kind = match self {
            Self::Text { max_bytes } => {
                json!({"type": "string", "minLength": 1, "maxLength": max_bytes})
            }
            Self::Choice(words) => json!({"type": "string", "enum": words}),
            Self::Number { min, max } => json!({"type": "number", "minimum": min, "maximum": max}),
            Self::Integer { min, max } => {
                json!({"type": "integer", "minimum": min, "maximum": max})
            }
            Self::Digits => json!({"type": "string", "pattern": "^[0-9]{1,20}$"}),
            Self::Texts {
                max_items,
                max_bytes,
            } => json!({
                "type": "array", "maxItems": max_items,
                "items": {"type": "string", "minLength": 1, "maxLength": max_bytes},
            }),
            Self::Paths { max_items } => json!({
                "type": "array", "maxItems": max_items,
                "items": {"type": "string", "minLength": 1, "maxLength": MAX_PATH_BYTES},
            }),
            Self::Id { of, .. } => json!({"type": "string", "maxLength": of.max_length()}),
            Self::Flag => json!({"type": "boolean"}),
            Self::Names { max_items } => json!({
                "type": "array", "maxItems": max_items,
                "items": {"type": "string", "minLength": 1, "maxLength": MAX_NAME_BYTES},
            }),
            Self::Object { .. } => json!({"type": "object"}),
            Self::Records { max_items, fields } => {
                json!({"type": "array", "maxItems": max_items, "items": schema(fields)})
            }
        };
        match kind {
            Value::Object(kind) => kind,
            _ => Map::new(),
        }
    }
}

/// One argument of a tool.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    /// What it means, with unit and limits; the model reads this.
    pub(crate) about: &'static str,
    pub(crate) kind: ParameterType,
    pub(crate) required: bool,
}

/// An optional argument.
pub(crate) const fn optional(
    name: &'static str,
    kind: ParameterType,
    about: &'static str,
) -> Parameter {
    Parameter {
        name,
        about,
        kind,
        required: false,
    }
}

/// A required argument.
pub(crate) const fn required(
    name: &'static str,
    kind: ParameterType,
    about: &'static str,
) -> Parameter {
    Parameter {
        name,
        about,
        kind,
        required: true,
    }
}

/// The JSON Schema of the arguments: closed, and without `anyOf`, which Claude Code rewrites.
pub(crate) fn schema(parameters: &[Parameter]) -> JsonObject {
    let mut properties = Map::new();
    for parameter in parameters {
        let mut property = parameter.kind.schema();
        property.insert("description".into(), parameter.about.into());
        properties.insert(parameter.name.into(), property.into());
    }
    let required: Vec<_> = parameters
        .iter()
        .filter(|p| p.required)
        .map(|p| p.name)
        .collect();
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), properties.into());
    if !required.is_empty() {
        schema.insert("required".into(), json!(required));
    }
    schema.insert("additionalProperties".into(), false.into());
    schema
}
