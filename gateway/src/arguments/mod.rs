//! The arguments of a tool: one table that is both the input schema and the check.
//!
//! [`read`] names everything wrong with a call at once, in words a model can act on. It never reads files, asks a
//! service or knows what an argument is for.

mod check;
mod meaning;
mod parameter;

use rmcp::model::JsonObject;
use serde_json::{Number, Value};
use shim_proto::reasons::BAD_REQUEST;
use shim_runtime::json_text::{self, Loss, LossKind};

use crate::frames::Losses;
use crate::tool_error::ToolError;
use check::{check_object, digits, integer, is_free_form};
use meaning::{Readings, take_as_meant};

pub(crate) use check::whole_id;
pub(crate) use parameter::{
    NEW_SESSION, NO_TASK, Named, Parameter, ParameterType, optional, required, schema,
};

/// More wrong arguments than this are counted, not listed.
const MAX_LISTED: usize = 16;

/// Arguments that passed the check, or one object of a list among them.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    object: JsonObject,
    readings: Readings,
}

/// Checks the arguments of `tool` against its parameters. A null means "left out". What a client typed as text and meant
/// as something else is taken as meant, and told in the notices.
pub(crate) fn read(
    tool: &str,
    parameters: &[Parameter],
    given: GivenArguments,
) -> Result<Arguments, ToolError> {
    let GivenArguments {
        mut object,
        losses: Losses(mut losses),
        is_text,
    } = given;
    let mut readings = Readings::default();
    if is_text {
        readings.note("arguments", "a text", "the object in it");
    }
    losses.extend(take_as_meant(&mut object, parameters, "", &mut readings));
    let mut errors = ArgumentErrors::default();
    for loss in &losses {
        // A number outside of free-form data is checked as what it is for.
        if loss.kind == LossKind::Repeated || is_free_form(parameters, &loss.place) {
            errors.add(loss.place.clone(), loss.rule());
        }
    }
    check_object(&object, parameters, &mut |path, rule| {
        let rule = as_given(rule, &path, &losses);
        errors.add(path, rule);
    });
    match errors.into_error(tool) {
        Some(error) => Err(error),
        None => Ok(Arguments {
            readings,
            ..Arguments::of(object)
        }),
    }
}

/// A rule that ends in the number that was read, with the number that was given in its place.
fn as_given(rule: String, path: &str, losses: &[Loss]) -> String {
    let given = losses.iter().find_map(|loss| match &loss.kind {
        LossKind::Number(number) if loss.place == path => Some(number),
        _ => None,
    });
    let as_read = given.and_then(|given| serde_json::from_str::<Number>(given).ok());
    match (given, as_read) {
        (Some(given), Some(as_read)) => match rule.strip_suffix(&as_read.to_string()) {
            Some(start) => format!("{start}{given}"),
            None => rule,
        },
        _ => rule,
    }
}

/// The arguments of a call as the client sent them.
#[derive(Debug)]
pub(crate) struct GivenArguments {
    object: JsonObject,
    /// What of them was lost or changed when they were read.
    losses: Losses,
    /// The client sent the object as a text.
    is_text: bool,
}

impl GivenArguments {
    pub(crate) fn of(object: JsonObject, losses: Losses) -> Self {
        Self {
            object,
            losses,
            is_text: false,
        }
    }

    /// Arguments of a call that is none as it is: those in a text, or those that are given twice.
    pub(crate) fn of_value(arguments: &Value, losses: Losses) -> Option<Self> {
        match arguments {
            Value::Object(object) if !losses.0.is_empty() => Some(Self::of(object.clone(), losses)),
            arguments => {
                let mut given = Self::of_text(arguments)?;
                given.losses.0.extend(losses.0);
                Some(given)
            }
        }
    }

    /// Arguments that came as the text of a JSON object.
    fn of_text(arguments: &Value) -> Option<Self> {
        let text = arguments.as_str()?;
        let object = json_text::read(text).ok()?;
        Some(Self {
            object,
            losses: Losses(json_text::losses(text.as_bytes())),
            is_text: true,
        })
    }
}

/// What is wrong with a call, listed as far as an answer stays short.
#[derive(Default)]
struct ArgumentErrors {
    listed: Vec<(String, String)>,
    unlisted: usize,
}

impl ArgumentErrors {
    fn add(&mut self, field: String, rule: String) {
        if self.listed.iter().any(|(listed, _)| *listed == field) {
            return;
        }
        if self.listed.len() < MAX_LISTED {
            self.listed.push((field, rule));
        } else {
            self.unlisted += 1;
        }
    }

    /// `None` if nothing is wrong.
    fn into_error(self, tool: &str) -> Option<ToolError> {
        if self.listed.is_empty() {
            return None;
        }
        let more = match self.unlisted {
            0 => String::new(),
            unlisted => format!(" (and {unlisted} more)"),
        };
        let message = format!(
            "the arguments of {tool} are wrong in {} place(s){more}",
            self.listed.len()
        );
        let error = ToolError::new(BAD_REQUEST, message).with_fields(self.listed);
        Some(
            error
                .next_step("correct the arguments named and call the tool again; nothing was done"),
        )
    }
}

impl Arguments {
    fn of(mut given: JsonObject) -> Self {
        given.retain(|_, value| !value.is_null());
        Self {
            object: given,
            readings: Readings::default(),
        }
    }

    /// What was read otherwise than it was typed, in one sentence.
    pub(crate) fn readings(&self) -> Option<String> {
        self.readings.told()
    }

    /// A text, a choice or an id.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.object.get(name)?.as_str()
    }

    /// A text, a choice or an id, or "" if it was left out.
    pub(crate) fn text_or_empty(&self, name: &str) -> String {
        self.text(name).unwrap_or_default().to_owned()
    }

    /// Puts another text in the place of one that was given.
    pub(crate) fn set_text(&mut self, name: &str, text: String) {
        self.object.insert(name.to_owned(), text.into());
    }

    /// A number.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        self.object.get(name)?.as_f64()
    }

    /// A whole number.
    pub(crate) fn integer(&self, name: &str) -> Option<u64> {
        integer(self.object.get(name)?)
    }

    /// A whole number that may be written as text.
    pub(crate) fn digits(&self, name: &str) -> Option<u64> {
        digits(self.object.get(name)?)
    }

    /// A list of texts or paths; empty if it was left out.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let items = self
            .object
            .get(name)
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        items
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    }

    /// Yes or no; no if it was left out.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.object
            .get(name)
            .and_then(Value::as_bool)
            .unwrap_or_default()
    }

    /// A JSON object.
    pub(crate) fn object(&self, name: &str) -> Option<&JsonObject> {
        self.object.get(name)?.as_object()
    }

    /// A list of objects; empty if it was left out.
    pub(crate) fn records(&self, name: &str) -> Vec<Self> {
        let items = self.object.get(name).and_then(Value::as_array);
        let objects = items.into_iter().flatten().filter_map(Value::as_object);
        objects.cloned().map(Self::of).collect()
    }

    /// Whether the argument was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    const PARAMETERS: [Parameter; 6] = [
        required("task", ParameterType::Text { max_bytes: 10 }, "t"),
        required(
            "progress",
            ParameterType::Number { min: 0.0, max: 1.0 },
            "p",
        ),
        optional(
            "steps",
            ParameterType::Texts {
                max_items: 2,
                max_bytes: 5,
            },
            "s",
        ),
        optional("files", ParameterType::Paths { max_items: 9 }, "f"),
        optional("count", ParameterType::Integer { min: 1, max: 9 }, "c"),
        optional(
            "session_id",
            ParameterType::id_or(Named::Session, NEW_SESSION),
            "i",
        ),
    ];

    fn fields(given: Value) -> Vec<String> {
        let Value::Object(given) = given else {
            panic!("not an object")
        };
        match read(
            "t",
            &PARAMETERS,
            GivenArguments::of(given, Losses::default()),
        ) {
            Ok(_) => Vec::new(),
            Err(error) => error.fields.into_iter().map(|(field, _)| field).collect(),
        }
    }

    #[test]
    fn everything_wrong_is_named_at_once() {
        let given = json!({
            "progress": "half", "steps": ["ok", "", "x"], "files": ["a", "../b", "c\u{0}"], "count": 2.5,
            "session_id": "mine", "extra": 1,
        });
        let expected = [
            "task",
            "progress",
            "steps",
            "files[1]",
            "files[2]",
            "count",
            "session_id",
            "extra",
        ];
        assert_eq!(fields(given), expected);
    }

    #[test]
    fn good_arguments_pass_and_null_means_left_out() {
        let given = json!({
            "task": "x", "progress": 1, "steps": null, "files": ["/etc/hosts", "a..b/c"], "count": 3.0,
            "session_id": "new",
        });
        assert_eq!(fields(given.clone()), [""; 0]);
        let Value::Object(given) = given else {
            panic!("not an object")
        };
        let arguments = read(
            "t",
            &PARAMETERS,
            GivenArguments::of(given, Losses::default()),
        )
        .unwrap();
        assert_eq!(arguments.integer("count"), Some(3));
        assert_eq!(arguments.texts("files").len(), 2);
        assert!(!arguments.has("steps") && arguments.text("session_id") == Some("new"));
    }

    #[test]
    fn a_number_is_shown_as_it_was_given() {
        let given = r#"{"task":"x","progress":1,"count":12345678901234567890123}"#;
        let arguments = GivenArguments::of_text(&json!(given)).unwrap();
        let error = read("t", &PARAMETERS, arguments).unwrap_err();
        let (field, rule) = &error.fields[0];
        assert_eq!(field, "count");
        assert!(rule.ends_with("not 12345678901234567890123"), "{rule}");
    }

    #[test]
    fn a_name_that_is_given_twice_is_refused() {
        let given = r#"{"task":"x","progress":1,"task":"y"}"#;
        let arguments = GivenArguments::of_text(&json!(given)).unwrap();
        let error = read("t", &PARAMETERS, arguments).unwrap_err();
        assert_eq!(error.fields[0].0, "task");
        assert!(error.fields[0].1.contains("given twice"));
    }

    #[test]
    fn a_flood_of_mistakes_stays_a_short_answer() {
        let given: JsonObject = (0..100_000)
            .map(|i| (format!("x{i}"), Value::Null))
            .collect();
        let error = read(
            "t",
            &PARAMETERS,
            GivenArguments::of(given, Losses::default()),
        )
        .unwrap_err();
        assert_eq!(error.fields.len(), MAX_LISTED);
        assert!(
            error.message.contains("and 99986 more"),
            "{}",
            error.message
        );
    }

    #[test]
    fn schemas_are_flat_and_say_what_is_required() {
        let schema = schema(&PARAMETERS);
        assert_eq!(schema["required"], json!(["task", "progress"]));
        assert_eq!(schema["properties"]["progress"]["maximum"], json!(1.0));
        assert!(!Value::Object(schema).to_string().contains("anyOf"));
    }
}
