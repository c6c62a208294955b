//! The arguments of a tool: one table that is both the input schema and the check.
//!
//! [`read`] names everything wrong with a call at once, in words a model can act on. It never reads files, asks a
//! service or knows what an argument is for.

use std::collections::BTreeMap;

use rmcp::model::JsonObject;
use serde_json::{Map, Value, json};
use shim_runtime::fault::BAD_REQUEST;

use crate::problem::Problem;

/// More wrong arguments than this are counted, not listed.
const MAX_LISTED: usize = 16;

/// A wrong value is shown up to this many characters.
const SHOWN_CHARACTERS: usize = 40;

/// Instead of an id, asks for a session of its own.
pub(crate) const NEW_SESSION: &str = "new";

/// One argument of a tool.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    /// What it means, with unit and limits; the model reads this.
    pub(crate) about: &'static str,
    pub(crate) form: Form,
    pub(crate) required: bool,
}

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

/// An optional argument.
pub(crate) const fn optional(name: &'static str, form: Form, about: &'static str) -> Parameter {
    Parameter { name, about, form, required: false }
}

/// A required argument.
pub(crate) const fn required(name: &'static str, form: Form, about: &'static str) -> Parameter {
    Parameter { name, about, form, required: true }
}

/// The JSON Schema of the arguments: flat, closed, and without `anyOf`, which Claude Code rewrites.
pub(crate) fn schema(parameters: &[Parameter]) -> JsonObject {
    let mut properties = Map::new();
    for parameter in parameters {
        let mut property = parameter.form.schema();
        property.insert("description".into(), parameter.about.into());
        properties.insert(parameter.name.into(), property.into());
    }
    let required: Vec<_> = parameters.iter().filter(|p| p.required).map(|p| p.name).collect();
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), properties.into());
    if !required.is_empty() {
        schema.insert("required".into(), json!(required));
    }
    schema.insert("additionalProperties".into(), false.into());
    schema
}

impl Form {
    fn schema(&self) -> Map<String, Value> {
        let schema = match self {
            Self::Text { max_bytes } => json!({"type": "string", "minLength": 1, "maxLength": max_bytes}),
            Self::Choice(words) => json!({"type": "string", "enum": words}),
            Self::Number { min, max } => json!({"type": "number", "minimum": min, "maximum": max}),
            Self::Whole { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
            Self::Texts { max_items, max_bytes } => json!({
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
    fn check(&self, value: &Value, wrong: &mut dyn FnMut(String, String)) {
        let mut expect = |holds: bool, expected: String| {
            if !holds {
                wrong(String::new(), format!("must be {expected}, not {}", shown(value)));
            }
        };
        match self {
            Self::Text { max_bytes } => {
                if let Err(fault) = text_fault(value, *max_bytes) {
                    wrong(String::new(), fault);
                }
            }
            Self::Choice(words) => {
                expect(value.as_str().is_some_and(|w| words.contains(&w)), format!("one of {}", words.join(", ")));
            }
            Self::Number { min, max } => expect(
                value.as_f64().is_some_and(|x| (*min..=*max).contains(&x)),
                format!("a number from {min} to {max}, written without quotes"),
            ),
            Self::Whole { min, max } => expect(
                whole(value).is_some_and(|x| (*min..=*max).contains(&x)),
                format!("a whole number from {min} to {max}, written without quotes"),
            ),
            Self::Id => expect(is_id(value), "an id such as 01890a5d-ac96-774b-bcce-b302099a8057".to_owned()),
            Self::IdOrNew => expect(
                value == NEW_SESSION || is_id(value),
                "a session id such as 01890a5d-ac96-774b-bcce-b302099a8057, or \"new\"".to_owned(),
            ),
            Self::Object => expect(value.is_object(), "a JSON object".to_owned()),
            Self::Texts { max_items, max_bytes } => {
                check_items(value, *max_items, "texts", wrong, |item| text_fault(item, *max_bytes));
            }
            Self::Paths { max_items } => check_items(value, *max_items, "paths", wrong, path_fault),
            Self::Objects { max_items } => check_items(value, *max_items, "JSON objects", wrong, |item| {
                if item.is_object() { Ok(()) } else { Err(format!("must be a JSON object, not {}", shown(item))) }
            }),
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
        return wrong(String::new(), format!("must be a list of {of}, not {}", shown(value)));
    };
    if items.len() > max_items {
        return wrong(String::new(), format!("must have at most {max_items} items, not {}", items.len()));
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
        Some(text) if text.len() > max_bytes => {
            Err(format!("must be at most {max_bytes} bytes, not {}", text.len()))
        }
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
        Err(format!("must not hold \"..\", as {} does; give the path inside the project or an absolute one", shown(value)))
    } else {
        Ok(())
    }
}

/// Some clients write whole numbers as 5.0.
fn whole(value: &Value) -> Option<u64> {
    /// The largest number up to which every whole number has its own `f64`.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    value.as_u64().or_else(|| {
        let float = value.as_f64().filter(|x| x.fract() == 0.0 && (0.0..=EXACT).contains(x))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and in range")]
        Some(float as u64)
    })
}

fn is_id(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 36 && uuid::Uuid::try_parse(text).is_ok())
}

/// The value with its kind, short enough for an error.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.chars().count() > SHOWN_CHARACTERS => {
            format!("the text \"{}...\"", text.chars().take(SHOWN_CHARACTERS).collect::<String>().escape_debug())
        }
        Value::String(text) => format!("the text \"{}\"", text.escape_debug()),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// Arguments that passed the check.
#[derive(Debug, Default)]
pub(crate) struct Arguments(BTreeMap<&'static str, Value>);

/// Checks the arguments of `tool` against its parameters. A null means "left out".
pub(crate) fn read(tool: &str, parameters: &[Parameter], mut given: JsonObject) -> Result<Arguments, Problem> {
    let mut faults = Vec::new();
    let mut unlisted = 0_usize;
    let mut wrong = |field: String, rule: String| {
        if faults.len() < MAX_LISTED {
            faults.push((field, rule));
        } else {
            unlisted += 1;
        }
    };
    let mut arguments = Arguments::default();
    for parameter in parameters {
        match given.remove(parameter.name).filter(|value| !value.is_null()) {
            Some(value) => {
                let mut at = |place: String, rule| wrong(format!("{}{place}", parameter.name), rule);
                parameter.form.check(&value, &mut at);
                arguments.0.insert(parameter.name, value);
            }
            None if parameter.required => wrong(parameter.name.to_owned(), "is required".to_owned()),
            None => {}
        }
    }
    let known = || parameters.iter().map(|p| p.name).collect::<Vec<_>>().join(", ");
    for name in given.keys() {
        let name: String = name.chars().take(SHOWN_CHARACTERS).collect();
        wrong(name, format!("is no argument of {tool}; it takes {}", known()));
    }
    if faults.is_empty() { Ok(arguments) } else { Err(refusal(tool, faults, unlisted)) }
}

fn refusal(tool: &str, faults: Vec<(String, String)>, unlisted: usize) -> Problem {
    let more = if unlisted > 0 { format!(" (and {unlisted} more)") } else { String::new() };
    Problem::new(BAD_REQUEST, format!("the arguments of {tool} are wrong in {} place(s){more}", faults.len()))
        .with_fields(faults)
        .next_step("correct the arguments named and call the tool again; nothing was done")
}

impl Arguments {
    /// A text, a choice or an id.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A text, a choice or an id, or "" if it was left out.
    pub(crate) fn text_or_empty(&self, name: &str) -> String {
        self.text(name).unwrap_or_default().to_owned()
    }

    /// A number.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        self.0.get(name)?.as_f64()
    }

    /// A whole number.
    pub(crate) fn whole(&self, name: &str) -> Option<u64> {
        whole(self.0.get(name)?)
    }

    /// A list of texts or paths; empty if it was left out.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let items = self.0.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Whether the argument was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PARAMETERS: [Parameter; 6] = [
        required("task", Form::Text { max_bytes: 10 }, "t"),
        required("progress", Form::Number { min: 0.0, max: 1.0 }, "p"),
        optional("steps", Form::Texts { max_items: 2, max_bytes: 5 }, "s"),
        optional("files", Form::Paths { max_items: 9 }, "f"),
        optional("count", Form::Whole { min: 1, max: 9 }, "c"),
        optional("session_id", Form::IdOrNew, "i"),
    ];

    fn fields(given: Value) -> Vec<String> {
        let Value::Object(given) = given else { panic!("not an object") };
        match read("t", &PARAMETERS, given) {
            Ok(_) => Vec::new(),
            Err(problem) => problem.fields.into_iter().map(|(field, _)| field).collect(),
        }
    }

    #[test]
    fn everything_wrong_is_named_at_once() {
        let given = json!({
            "progress": "0.5", "steps": ["ok", "", "x"], "files": ["a", "../b", "c\u{0}"], "count": 2.5,
            "session_id": "mine", "extra": 1,
        });
        let expected = ["task", "progress", "steps", "files[1]", "files[2]", "count", "session_id", "extra"];
        assert_eq!(fields(given), expected);
    }

    #[test]
    fn good_arguments_pass_and_null_means_left_out() {
        let given = json!({
            "task": "x", "progress": 1, "steps": null, "files": ["/etc/hosts", "a..b/c"], "count": 3.0,
            "session_id": "new",
        });
        assert_eq!(fields(given.clone()), [""; 0]);
        let Value::Object(given) = given else { panic!("not an object") };
        let arguments = read("t", &PARAMETERS, given).unwrap();
        assert_eq!(arguments.whole("count"), Some(3));
        assert_eq!(arguments.texts("files").len(), 2);
        assert!(!arguments.has("steps") && arguments.text("session_id") == Some("new"));
    }

    #[test]
    fn a_flood_of_mistakes_stays_a_short_answer() {
        let given: JsonObject = (0..100_000).map(|i| (format!("x{i}"), Value::Null)).collect();
        let problem = read("t", &PARAMETERS, given).unwrap_err();
        assert_eq!(problem.fields.len(), MAX_LISTED);
        assert!(problem.message.contains("and 99986 more"), "{}", problem.message);
    }

    #[test]
    fn schemas_are_flat_and_say_what_is_required() {
        let schema = schema(&PARAMETERS);
        assert_eq!(schema["required"], json!(["task", "progress"]));
        assert_eq!(schema["properties"]["progress"]["maximum"], json!(1.0));
        assert!(!Value::Object(schema).to_string().contains("anyOf"));
    }
}
