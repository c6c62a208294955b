//! Free-form data: what is `google.protobuf.Struct` on the wire and a JSON object everywhere else.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as Wire};
use serde_json::{Map, Number, Value};
use shim_proto::limits::MAX_FREE_FORM_DEPTH;

/// The data as JSON, without a change.
#[must_use]
pub fn to_json(data: &Struct) -> Map<String, Value> {
    let fields = data.fields.iter();
    fields
        .map(|(name, value)| (name.clone(), json(value)))
        .collect()
}

/// JSON as data; `None` if it is nested deeper than [`MAX_FREE_FORM_DEPTH`].
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
        Value::Number(number) => Kind::NumberValue(number.as_f64()?),
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
    fn what_is_nested_too_deep_is_refused() {
        let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({"x": inner}));
        assert!(there_and_back(&nested(MAX_FREE_FORM_DEPTH)).is_some());
        assert!(there_and_back(&nested(MAX_FREE_FORM_DEPTH + 1)).is_none());
    }
}
