//! The forms an argument can have: what the schema says of them and what the check asks.

use serde_json::{Map, Value, json};

/// A wrong value is shown up to this many characters.
const SHOWN_CHARACTERS: usize = 40;

/// Instead of an id, asks for a session of its own.
pub(crate) const NEW_SESSION: &str = "new";

const EXAMPLE_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// The form an argument must have.
pub(crate) enum Form {
    /// Text of at most so many bytes that is not blank.
    Text { max_bytes: usize },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A finite number within the limits, both included.
    Number { min: f64, max: f64 },
    /// A whole number within the limits, both included.
    Whole { min: u64, max: u64 },
    /// A list of texts that are not blank.
    Texts { max_items: usize, max_bytes: usize },
    /// A list of paths that stay where they say they are.
    Paths { max_items: usize },
    /// A UUID.
    Id,
    /// A UUID or "new".
    IdOrNew,
    /// Any JSON object.
    Object,
    /// A list of JSON objects.
    Objects { max_items: usize },
}

impl Form {
    /// The JSON Schema of the form.
    pub(super) fn schema(&self) -> Map<String, Value> {
        let schema = match self {
            Self::Text { max_bytes } => {
                json!({"type": "string", "minLength": 1, "maxLength": max_bytes})
            }
            Self::Choice(words) => json!({"type": "string", "enum": words}),
            Self::Number { min, max } => json!({"type": "number", "minimum": min, "maximum": max}),
            Self::Whole { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
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
            Self::Id | Self::IdOrNew => json!({"type": "string", "maxLength": 36}),
            Self::Object => json!({"type": "object"}),
            Self::Objects { max_items } => {
                json!({"type": "array", "maxItems": max_items, "items": {"type": "object"}})
            }
        };
        match schema {
            Value::Object(schema) => schema,
            _ => Map::new(),
        }
    }

    /// Checks a value; `wrong` takes the place within the argument ("" or "\[3\]") and what it must be.
    pub(super) fn check(&self, value: &Value, wrong: &mut dyn FnMut(String, String)) {
        match self {
            Self::Texts {
                max_items,
                max_bytes,
            } => {
                check_items(value, *max_items, "texts", wrong, |item| {
                    text_fault(item, *max_bytes)
                });
            }
            Self::Paths { max_items } => check_items(value, *max_items, "paths", wrong, path_fault),
            Self::Objects { max_items } => {
                check_items(value, *max_items, "JSON objects", wrong, |item| {
                    Self::Object.single_fault(item)
                });
            }
            single => {
                if let Err(fault) = single.single_fault(value) {
                    wrong(String::new(), fault);
                }
            }
        }
    }

    /// The fault of a value that is no list.
    fn single_fault(&self, value: &Value) -> Result<(), String> {
        let (holds, expected) = match self {
            Self::Text { max_bytes } => return text_fault(value, *max_bytes),
            Self::Choice(words) => (
                value.as_str().is_some_and(|word| words.contains(&word)),
                format!("one of {}", words.join(", ")),
            ),
            Self::Number { min, max } => (
                value
                    .as_f64()
                    .is_some_and(|number| (*min..=*max).contains(&number)),
                format!("a number from {min} to {max}, written without quotes"),
            ),
            Self::Whole { min, max } => (
                whole(value).is_some_and(|number| (*min..=*max).contains(&number)),
                format!("a whole number from {min} to {max}, written without quotes"),
            ),
            Self::Id => (is_id(value), format!("an id such as {EXAMPLE_ID}")),
            Self::IdOrNew => (
                value == NEW_SESSION || is_id(value),
                format!("a session id such as {EXAMPLE_ID}, or \"new\""),
            ),
            Self::Object => (value.is_object(), "a JSON object".to_owned()),
            Self::Texts { .. } | Self::Paths { .. } | Self::Objects { .. } => {
                (value.is_array(), "a list".to_owned())
            }
        };
        if holds {
            Ok(())
        } else {
            Err(format!("must be {expected}, not {}", shown(value)))
        }
    }
}

fn check_items(
    value: &Value,
    max_items: usize,
    of: &str,
    wrong: &mut dyn FnMut(String, String),
    fault: impl Fn(&Value) -> Result<(), String>,
) {
    let Some(items) = value.as_array() else {
        return wrong(
            String::new(),
            format!("must be a list of {of}, not {}", shown(value)),
        );
    };
    if items.len() > max_items {
        return wrong(
            String::new(),
            format!("must have at most {max_items} items, not {}", items.len()),
        );
    }
    for (index, item) in items.iter().enumerate() {
        if let Err(fault) = fault(item) {
            wrong(format!("[{index}]"), fault);
        }
    }
}

/// The longest path the services take, `PATH_MAX` of Linux.
const MAX_PATH_BYTES: usize = 4_096;

fn text_fault(value: &Value, max_bytes: usize) -> Result<(), String> {
    match value.as_str() {
        None => Err(format!("must be text, not {}", shown(value))),
        Some(text) if text.trim().is_empty() => Err("must not be empty".to_owned()),
        Some(text) if text.len() > max_bytes => Err(format!(
            "must be at most {max_bytes} bytes, not {}",
            text.len()
        )),
        Some(_) => Ok(()),
    }
}

/// A path may be absolute or relative to the project, but never climb: what it names must be readable from it alone.
fn path_fault(value: &Value) -> Result<(), String> {
    text_fault(value, MAX_PATH_BYTES)?;
    let path = value.as_str().unwrap_or_default();
    if path.contains('\0') {
        Err("must not hold a NUL character".to_owned())
    } else if path.split(['/', '\\']).any(|part| part == "..") {
        Err(format!(
            "must not hold \"..\", as {} does; give the path inside the project or an absolute one",
            shown(value)
        ))
    } else {
        Ok(())
    }
}

/// Some clients write whole numbers as 5.0.
pub(super) fn whole(value: &Value) -> Option<u64> {
    /// The largest number up to which every whole number has its own `f64`.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    value.as_u64().or_else(|| {
        let float = value
            .as_f64()
            .filter(|x| x.fract() == 0.0 && (0.0..=EXACT).contains(x))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be whole and in range"
        )]
        Some(float as u64)
    })
}

fn is_id(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.len() == 36 && uuid::Uuid::try_parse(text).is_ok())
}

/// The value with its kind, short enough for an error.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.chars().count() > SHOWN_CHARACTERS => {
            format!(
                "the text \"{}...\"",
                text.chars()
                    .take(SHOWN_CHARACTERS)
                    .collect::<String>()
                    .escape_debug()
            )
        }
        Value::String(text) => format!("the text \"{}\"", text.escape_debug()),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
