//! Free-form data: what is `google.protobuf.Struct` on the wire and a JSON object everywhere else.
//!
//! Its numbers are doubles. A number that a double would change is refused where a caller can mend it
//! ([`wrong_number`], [`wrong_json_number`]), and becomes a text of the same digits where nobody can ([`from_foreign_json`]).

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as Wire};
use serde_json::{Map, Number, Value};
use shim_proto::limits::MAX_FREE_FORM_DEPTH;

use crate::json_text::{self, number_rule};

pub use crate::doubles::is_exact;

/// Names in the place of a fault are shown up to so many characters.
const SHOWN_CHARACTERS: usize = 60;

/// A number that data must not hold, with its place and the rule it breaks.
#[must_use]
pub fn wrong_number(data: &Struct) -> Option<(String, String)> {
    data.fields
        .iter()
        .find_map(|(name, value)| below(shown(name), wrong_value(value)?))
}

fn wrong_value(value: &Wire) -> Option<(String, String)> {
    match value.kind.as_ref()? {
        Kind::NumberValue(number) if !number.is_finite() => {
            let rule =
                "is NaN or infinity, which JSON does not know; leave it out or send it as text";
            Some((String::new(), rule.to_owned()))
        }
        Kind::NumberValue(number) if !is_exact(*number) => {
            let shown = Number::from_f64(*number).map(|number| number.to_string());
            Some((String::new(), number_rule(&shown.unwrap_or_default())))
        }
        Kind::StructValue(data) => {
            let (place, rule) = wrong_number(data)?;
            Some((format!(".{place}"), rule))
        }
        Kind::ListValue(list) => {
            let mut items = list.values.iter().enumerate();
            items.find_map(|(index, item)| below(format!("[{index}]"), wrong_value(item)?))
        }
        _ => None,
    }
}

/// The same of JSON.
#[must_use]
pub fn wrong_json_number(object: &Map<String, Value>) -> Option<(String, String)> {
    object
        .iter()
        .find_map(|(name, value)| below(shown(name), wrong_json_value(value)?))
}

fn wrong_json_value(value: &Value) -> Option<(String, String)> {
    match value {
        Value::Number(number) if !is_kept(number) => {
            Some((String::new(), number_rule(&number.to_string())))
        }
        Value::Object(object) => {
            let (place, rule) = wrong_json_number(object)?;
            Some((format!(".{place}"), rule))
        }
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(index, item)| below(format!("[{index}]"), wrong_json_value(item)?))
        }
        _ => None,
    }
}

fn below(step: String, (place, rule): (String, String)) -> Option<(String, String)> {
    Some((step + &place, rule))
}

fn shown(name: &str) -> String {
    name.chars().take(SHOWN_CHARACTERS).collect()
}

/// Whether a number of JSON is the one that its double stands for.
fn is_kept(number: &Number) -> bool {
    number.as_f64().is_some_and(is_exact)
}

/// The data as JSON, without a change.
#[must_use]
pub fn to_json(data: &Struct) -> Map<String, Value> {
    let fields = data.fields.iter();
    fields
        .map(|(name, value)| (name.clone(), json(value)))
        .collect()
}

/// JSON as data; `None` if it is nested deeper than [`MAX_FREE_FORM_DEPTH`] or has a [`wrong_json_number`].
#[must_use]
pub fn from_json(object: &Map<String, Value>) -> Option<Struct> {
    fields(object, MAX_FREE_FORM_DEPTH)
}

fn json(value: &Wire) -> Value {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(truth)) => Value::Bool(*truth),
        Some(Kind::StringValue(text)) => Value::String(text.clone()),
        Some(Kind::NumberValue(number)) => number_of(*number).map_or(Value::Null, Value::Number),
        Some(Kind::ListValue(list)) => list.values.iter().map(json).collect(),
        Some(Kind::StructValue(data)) => Value::Object(to_json(data)),
    }
}

/// A whole number is written without a fraction, as people write it. -0 keeps its sign, and with it its fraction.
fn number_of(number: f64) -> Option<Number> {
    // A number that the cast changes stays a fraction.
    let whole = number as i64;
    if (whole as f64).to_bits() == number.to_bits() {
        return Some(Number::from(whole));
    }
    Number::from_f64(number)
}

fn fields(object: &Map<String, Value>, levels: usize) -> Option<Struct> {
    let levels = levels.checked_sub(1)?;
    let fields = object
        .iter()
        .map(|(name, value)| Some((name.clone(), wire(value, levels)?)))
        .collect::<Option<_>>()?;
    Some(Struct { fields })
}

fn wire(value: &Value, levels: usize) -> Option<Wire> {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(truth) => Kind::BoolValue(*truth),
        Value::Number(number) if is_kept(number) => Kind::NumberValue(number.as_f64()?),
        Value::Number(_) => return None,
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Object(object) => Kind::StructValue(fields(object, levels)?),
        Value::Array(items) => {
            let levels = levels.checked_sub(1)?;
            let values = items.iter().map(|item| wire(item, levels));
            Kind::ListValue(ListValue {
                values: values.collect::<Option<_>>()?,
            })
        }
    };
    Some(Wire { kind: Some(kind) })
}

/// JSON of a program as data. What data cannot hold becomes its JSON text: what is nested deeper than
/// [`MAX_FREE_FORM_DEPTH`], and a number that a double would change.
#[must_use]
pub fn from_foreign_json(object: &Map<String, Value>) -> Struct {
    foreign_fields(object, 1)
}

fn foreign_fields(object: &Map<String, Value>, depth: usize) -> Struct {
    let fields = object.iter();
    Struct {
        fields: fields
            .map(|(name, value)| (name.clone(), foreign_value(value, depth)))
            .collect(),
    }
}

fn foreign_value(value: &Value, depth: usize) -> Wire {
    let is_too_deep = depth == MAX_FREE_FORM_DEPTH;
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(truth) => Kind::BoolValue(*truth),
        Value::Number(number) => match number.as_f64() {
            Some(double) if is_exact(double) => Kind::NumberValue(double),
            _ => Kind::StringValue(number.to_string()),
        },
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) if is_too_deep && !items.is_empty() => {
            Kind::StringValue(value.to_string())
        }
        Value::Object(object) if is_too_deep && !object.is_empty() => {
            Kind::StringValue(value.to_string())
        }
        Value::Array(items) => {
            let values = items.iter().map(|item| foreign_value(item, depth + 1));
            Kind::ListValue(ListValue {
                values: values.collect(),
            })
        }
        Value::Object(object) => Kind::StructValue(foreign_fields(object, depth + 1)),
    };
    Wire { kind: Some(kind) }
}

/// The JSON object that a program wrote, as data with every digit; `None` if the text is no JSON object.
#[must_use]
pub fn from_foreign_text(text: &str) -> Option<Struct> {
    let object = serde_json::from_str(&json_text::mend(text.as_bytes())).ok()?;
    Some(from_foreign_json(&object))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn there_and_back(value: &Value) -> Option<Value> {
        from_json(value.as_object().unwrap()).map(|data| Value::Object(to_json(&data)))
    }

    #[test]
    fn data_comes_back_as_it_was() {
        let value = json!({"a": [1, 2.5, null, {"b": "c"}], "d": true, "e": {}, "f": -3});
        assert_eq!(there_and_back(&value), Some(value));
    }

    #[test]
    fn whole_numbers_have_no_fraction() {
        let texts = [
            (3.0, "3"),
            (-7.0, "-7"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (0.5, "0.5"),
            (-0.0, "-0.0"),
            (1e300, "1e+300"),
        ];
        for (number, text) in texts {
            assert_eq!(number_of(number).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_number_that_a_double_changes_is_refused_with_its_place() {
        let cases = [
            (json!({"id": 1_234_567_890_123_456_789_u64}), "id"),
            (
                json!({"a": [0, {"b c": -9_007_199_254_740_993_i64}]}),
                "a[1].b c",
            ),
            (json!({"a": {"b": [1.8e19]}}), ""),
            (json!({"a": 9_007_199_254_740_992_u64}), "a"),
            (json!({"a": 9.1e15}), "a"),
            (json!({"a": 1.234_567_890_123_456_8e29}), "a"),
            (
                json!({"a": [9_007_199_254_740_991_u64, -0.0, 5e-324, 1e300, 1e22, 0.1]}),
                "",
            ),
        ];
        for (value, place) in cases {
            let object = value.as_object().unwrap();
            let wrong = wrong_json_number(object);
            let expected = match place {
                "" if value["a"]["b"].is_array() => "a.b[0]",
                place => place,
            };
            assert_eq!(wrong.clone().unwrap_or_default().0, expected, "{value}");
            assert_eq!(from_json(object).is_none(), wrong.is_some(), "{value}");
            let doubles = from_foreign_json(object);
            assert_eq!(
                wrong_number(&doubles),
                None,
                "{value}: foreign data is always whole"
            );
        }
    }

    #[test]
    fn a_number_on_the_wire_that_may_have_been_rounded_is_refused() {
        let data = |number| Struct {
            fields: [(
                "n".to_owned(),
                Wire {
                    kind: Some(Kind::NumberValue(number)),
                },
            )]
            .into(),
        };
        for number in [
            1.234_567_890_123_456_8e18,
            9_007_199_254_740_992.0,
            -1e18,
            f64::NAN,
            f64::INFINITY,
        ] {
            let (place, rule) = wrong_number(&data(number)).unwrap();
            assert!(
                place == "n" && rule.contains("text"),
                "{number}: {place} {rule}"
            );
        }
        for number in [
            0.0,
            -0.0,
            1.5,
            9_007_199_254_740_991.0,
            5e-324,
            1e300,
            -1e300,
        ] {
            assert_eq!(wrong_number(&data(number)), None, "{number}");
        }
    }

    #[test]
    fn a_program_s_numbers_keep_their_digits() {
        let text = r#"{"id":12345678901234567890123,"small":[1,0.5,-0.0],"n":9007199254740993}"#;
        let data = Value::Object(to_json(&from_foreign_text(text).unwrap()));
        let expected = json!({"id": "12345678901234567890123", "small": [1, 0.5, -0.0], "n": "9007199254740993"});
        assert_eq!(data, expected);
        assert_eq!(from_foreign_text("[1]"), None);
        let cut = from_foreign_text(r#"{"note":"fix \ud82d"}"#).unwrap();
        assert_eq!(
            Value::Object(to_json(&cut)),
            json!({"note": "fix \u{FFFD}"})
        );
    }

    #[test]
    fn what_is_nested_too_deep_is_refused() {
        let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({"x": inner}));
        assert!(there_and_back(&nested(MAX_FREE_FORM_DEPTH)).is_some());
        assert!(there_and_back(&nested(MAX_FREE_FORM_DEPTH + 1)).is_none());
    }
}
