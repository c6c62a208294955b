//! Arguments that a client typed as text and meant as something else: `"0.5"`, `"true"`, `"[\"a\"]"`, `""`.
//!
//! Some clients send every value as text. What such a text means is taken where it can mean nothing else: the text is
//! then exactly the JSON of a value of the parameter's kind, or empty for what may be left out. Each such reading is
//! told. A text that may mean several things stays as it is, and the check refuses it.

use rmcp::model::JsonObject;
use serde_json::{Number, Value};
use shim_runtime::json_text::{self, Loss};

use super::check::describe_value;
use super::parameter::{Parameter, ParameterType};

/// More readings than this are counted, not listed.
const MAX_LISTED: usize = 5;

/// What was read otherwise than it was typed.
#[derive(Debug, Default)]
pub(super) struct Readings {
    listed: Vec<String>,
    unlisted: usize,
}

impl Readings {
    pub(super) fn note(&mut self, field: &str, typed: &str, meant: &str) {
        if self.listed.len() < MAX_LISTED {
            self.listed.push(format!("{field}: {typed} as {meant}"));
        } else {
            self.unlisted += 1;
        }
    }

    /// All of them in one sentence; `None` if there are none.
    pub(super) fn told(&self) -> Option<String> {
        if self.listed.is_empty() {
            return None;
        }
        let more = match self.unlisted {
            0 => String::new(),
            unlisted => format!("; and {unlisted} more"),
        };
        let listed = self.listed.join("; ");
        Some(format!(
            "arguments were read as they were probably meant: {listed}{more}. Numbers, true, false, lists and objects \
             go without quotes, and what is not needed is left out"
        ))
    }
}

/// Puts what was meant in the place of what was typed; `at` is the place of the object, with its dot. What reading a text
/// lost is told.
pub(super) fn take_as_meant(
    object: &mut JsonObject,
    parameters: &[Parameter],
    at: &str,
    readings: &mut Readings,
) -> Vec<Loss> {
    let mut losses = Vec::new();
    for parameter in parameters {
        let Some(value) = object.get_mut(parameter.name) else {
            continue;
        };
        let field = format!("{at}{}", parameter.name);
        if let Some(text) = value.as_str()
            && let Some(meant) = meaning(text, parameter)
        {
            readings.note(&field, &describe_value(value), &describe_meaning(&meant));
            losses.extend(losses_within(&field, text));
            *value = meant;
        }
        if let (ParameterType::Records { fields, .. }, Value::Array(items)) =
            (&parameter.kind, value)
        {
            for (index, item) in items.iter_mut().enumerate() {
                let at = format!("{field}[{index}]");
                losses.extend(take_record(item, fields, &at, readings));
            }
        }
    }
    losses
}

fn take_record(
    item: &mut Value,
    fields: &[Parameter],
    at: &str,
    readings: &mut Readings,
) -> Vec<Loss> {
    let mut losses = Vec::new();
    if let Some(text) = item.as_str()
        && let Some(meant) = object(text)
    {
        readings.note(at, &describe_value(item), &describe_meaning(&meant));
        losses = losses_within(at, text);
        *item = meant;
    }
    if let Value::Object(record) = item {
        losses.extend(take_as_meant(record, fields, &format!("{at}."), readings));
    }
    losses
}

/// What reading the text of a field loses.
fn losses_within(field: &str, text: &str) -> Vec<Loss> {
    let found = json_text::losses(text.as_bytes()).into_iter();
    let placed = found.map(|loss| {
        let dot = if loss.place.is_empty() || loss.place.starts_with('[') {
            ""
        } else {
            "."
        };
        Loss {
            place: format!("{field}{dot}{}", loss.place),
            ..loss
        }
    });
    placed.collect()
}

/// The one value that a text can mean for a parameter.
fn meaning(text: &str, parameter: &Parameter) -> Option<Value> {
    if text.is_empty() {
        return (!parameter.required).then_some(Value::Null);
    }
    let is_text = |kind: &ParameterType| {
        matches!(
            kind,
            ParameterType::Text { .. }
                | ParameterType::Choice(_)
                | ParameterType::Digits
                | ParameterType::Id { .. }
        )
    };
    if is_text(&parameter.kind) {
        return None;
    }
    let text = text.trim();
    if text == "null" && !parameter.required {
        return Some(Value::Null);
    }
    match &parameter.kind {
        ParameterType::Integer { .. } if json_text::is_inexact(text.as_bytes()) => None,
        ParameterType::Number { .. } | ParameterType::Integer { .. } => {
            serde_json::from_str::<Number>(text).ok().map(Value::Number)
        }
        ParameterType::Flag if text.eq_ignore_ascii_case("true") => Some(Value::Bool(true)),
        ParameterType::Flag if text.eq_ignore_ascii_case("false") => Some(Value::Bool(false)),
        ParameterType::Object { .. } => object(text),
        ParameterType::Texts { .. }
        | ParameterType::Paths { .. }
        | ParameterType::Names { .. }
        | ParameterType::Records { .. } => json(text).filter(Value::is_array),
        _ => None,
    }
}

fn object(text: &str) -> Option<Value> {
    json(text).filter(Value::is_object)
}

fn json(text: &str) -> Option<Value> {
    let begins_so = text.trim_start().starts_with(['[', '{']);
    begins_so.then(|| json_text::read(text).ok()).flatten()
}

fn describe_meaning(meant: &Value) -> String {
    match meant {
        Value::Null => "left out".to_owned(),
        Value::Number(number) => format!("the number {number}"),
        Value::Array(items) => format!("a list of {}", items.len()),
        other => describe_value(other),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::parameter::{NEW_SESSION, Named, optional, required};
    use super::*;

    const PART: &[Parameter] = &[
        required("id", ParameterType::Text { max_bytes: 9 }, "i"),
        optional("weight", ParameterType::Number { min: 0.0, max: 9.0 }, "w"),
        optional(
            "after",
            ParameterType::Texts {
                max_items: 9,
                max_bytes: 9,
            },
            "a",
        ),
        optional("payload", ParameterType::Object { max_bytes: 99 }, "p"),
    ];

    const PARAMETERS: &[Parameter] = &[
        required("task", ParameterType::Text { max_bytes: 99 }, "t"),
        required(
            "progress",
            ParameterType::Number { min: 0.0, max: 1.0 },
            "p",
        ),
        optional("limit", ParameterType::Integer { min: 1, max: 9 }, "l"),
        optional("final", ParameterType::Flag, "f"),
        optional(
            "steps",
            ParameterType::Texts {
                max_items: 9,
                max_bytes: 99,
            },
            "s",
        ),
        optional("files", ParameterType::Paths { max_items: 9 }, "f"),
        optional("names", ParameterType::Names { max_items: 9 }, "n"),
        optional("payload", ParameterType::Object { max_bytes: 99 }, "p"),
        optional(
            "parts",
            ParameterType::Records {
                max_items: 9,
                fields: PART,
            },
            "r",
        ),
        optional("view", ParameterType::Choice(&["all"]), "v"),
        optional("lease", ParameterType::Digits, "d"),
        optional(
            "session_id",
            ParameterType::id_or(Named::Session, NEW_SESSION),
            "i",
        ),
    ];

    fn taken(name: &str, typed: Value) -> (Value, Option<String>) {
        let mut object = JsonObject::from_iter([(name.to_owned(), typed)]);
        let mut readings = Readings::default();
        take_as_meant(&mut object, PARAMETERS, "", &mut readings);
        (object[name].clone(), readings.told())
    }

    #[test]
    fn a_text_that_can_mean_one_thing_is_taken_as_that_and_told() {
        let cases = [
            ("progress", json!("0.5"), json!(0.5)),
            ("progress", json!(" 1 "), json!(1)),
            ("progress", json!("5e-1"), json!(0.5)),
            ("limit", json!("3"), json!(3)),
            ("limit", json!(""), json!(null)),
            ("limit", json!("null"), json!(null)),
            ("final", json!("true"), json!(true)),
            ("final", json!("False"), json!(false)),
            ("steps", json!("[\"a\", \"b\"]"), json!(["a", "b"])),
            ("steps", json!("[]"), json!([])),
            ("steps", json!(""), json!(null)),
            ("files", json!("[\"a/b\"]"), json!(["a/b"])),
            ("names", json!("[\"rust\"]"), json!(["rust"])),
            ("payload", json!("{\"a\": [1]}"), json!({"a": [1]})),
            (
                "payload",
                json!("{\"s\":\"\\ud83d\"}"),
                json!({"s": "\u{FFFD}"}),
            ),
            ("steps", json!("[\"cut \\ud83d\"]"), json!(["cut \u{FFFD}"])),
            ("payload", json!(""), json!(null)),
            ("view", json!(""), json!(null)),
            ("lease", json!(""), json!(null)),
            ("session_id", json!(""), json!(null)),
            (
                "parts",
                json!("[{\"id\":\"a\",\"weight\":\"2\"}]"),
                json!([{"id": "a", "weight": 2}]),
            ),
            (
                "parts",
                json!(["{\"id\":\"a\",\"after\":\"[\\\"b\\\"]\"}"]),
                json!([{"id": "a", "after": ["b"]}]),
            ),
            (
                "parts",
                json!([{"id": "a", "payload": "{}", "weight": ""}]),
                json!([{"id": "a", "payload": {}, "weight": null}]),
            ),
        ];
        for (name, typed, meant) in cases {
            let (value, told) = taken(name, typed.clone());
            assert_eq!(value, meant, "{name} {typed}");
            assert!(
                told.is_some_and(|told| told.contains(name)),
                "{name} {typed}"
            );
        }
    }

    #[test]
    fn what_may_mean_several_things_stays_as_it_is() {
        let cases = [
            ("task", json!("")),
            ("task", json!("0.5")),
            ("task", json!("[\"a\"]")),
            ("progress", json!("")),
            ("progress", json!("50%")),
            ("progress", json!("0,5")),
            ("progress", json!(".5")),
            ("progress", json!("NaN")),
            ("progress", json!("half")),
            ("progress", json!("1 2")),
            ("limit", json!("007")),
            ("limit", json!("0x3")),
            ("limit", json!(" ")),
            ("final", json!("yes")),
            ("final", json!("1")),
            ("final", json!(1)),
            ("steps", json!("a, b")),
            ("steps", json!("['a']")),
            ("steps", json!("{\"a\":1}")),
            ("steps", json!("[\"a\"")),
            ("steps", json!([""])),
            ("steps", json!(["[\"a\"]"])),
            ("payload", json!("[1]")),
            ("payload", json!("a=1")),
            ("parts", json!("{\"id\":\"a\"}")),
            ("parts", json!([""])),
            ("view", json!("All")),
            ("session_id", json!("null")),
        ];
        for (name, typed) in cases {
            assert_eq!(taken(name, typed.clone()), (typed, None), "{name}");
        }
    }

    #[test]
    fn what_reading_a_text_loses_is_told_with_its_place() {
        let mut object = JsonObject::from_iter([
            ("payload".to_owned(), json!(r#"{"id":1234567890123456789}"#)),
            (
                "parts".to_owned(),
                json!([r#"{"id":"a","id":"b","payload":{"n":12345678901234567890}}"#, {"id": "c", "payload": r#"{"n":1e-400}"#}]),
            ),
        ]);
        let mut readings = Readings::default();
        let losses = take_as_meant(&mut object, PARAMETERS, "", &mut readings);
        let places: Vec<_> = losses.iter().map(|loss| loss.place.as_str()).collect();
        assert_eq!(
            places,
            [
                "payload.id",
                "parts[0].id",
                "parts[0].payload.n",
                "parts[1].payload.n"
            ]
        );
    }

    #[test]
    fn many_readings_stay_a_short_notice() {
        let mut object = JsonObject::new();
        let parts: Vec<_> = (0..500)
            .map(|_| json!({"id": "a", "weight": "1"}))
            .collect();
        object.insert("parts".into(), parts.into());
        let mut readings = Readings::default();
        take_as_meant(&mut object, PARAMETERS, "", &mut readings);
        let told = readings.told().unwrap();
        assert!(
            told.contains("parts[0].weight") && told.contains("and 495 more") && told.len() < 600,
            "{told}"
        );
    }

    proptest! {
        /// A number that a client put into quotes is the number it would have been without.
        #[test]
        fn a_quoted_number_is_the_number(number in any::<f64>().prop_filter("JSON", |number| number.is_finite())) {
            let number = json!(number);
            prop_assert_eq!(taken("progress", json!(number.to_string())).0, number);
        }

        #[test]
        fn a_quoted_list_is_the_list(items in prop::collection::vec(any::<String>(), 0..5)) {
            let list = json!(items);
            prop_assert_eq!(taken("steps", json!(list.to_string())).0, list);
        }

        /// No text for a text is ever touched.
        #[test]
        fn a_text_is_a_text(text in ".{1,20}") {
            prop_assert_eq!(taken("task", json!(text)), (json!(text), None));
        }
    }
}
