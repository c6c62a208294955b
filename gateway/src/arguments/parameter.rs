//! The parameters of a tool, their types, and the JSON Schema that says both to a client.

use rmcp::model::JsonObject;
use serde_json::{Map, Value, json};
use shim_proto::limits::MAX_PATH_BYTES;

/// The longest name of a capability.
pub(super) const MAX_NAME_BYTES: usize = shim_proto::limits::worker::MAX_CAPABILITY_BYTES;

/// Instead of an id, asks for a session of its own.
pub(crate) const NEW_SESSION: &str = "new";

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
    /// A UUID, or a part of one where `short_ids` finds the whole one.
    Id,
    /// A UUID in full.
    WholeId,
    /// A UUID or "new".
    IdOrNew,
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
            Self::Id | Self::WholeId | Self::IdOrNew => json!({"type": "string", "maxLength": 36}),
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
