//! The fields of an answer.

use serde_json::{Map, Value};

/// Names a thing by its id, unless it is the answer's own session, whose id the answer has.
pub(super) fn named(facts: Facts, name: &str, id: &str, own: Option<&str>) -> Facts {
    match own == Some(id) {
        true => facts.set("is_own", true),
        false => facts.set(name, id),
    }
}

/// The fields of an answer, in the order in which they are set.
#[derive(Debug, Default)]
pub(crate) struct Facts(Map<String, Value>);

impl Facts {
    /// No facts yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A fact that is told whatever it is.
    pub(crate) fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// More facts.
    pub(crate) fn and(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }

    /// A fact that is told if there is one: not of nothing, an empty text, an empty list, zero or false.
    pub(crate) fn set_some(self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let is_nothing = match &value {
            Value::Null => true,
            Value::Bool(flag) => !flag,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(fields) => fields.is_empty(),
        };
        match is_nothing {
            true => self,
            false => self.set(name, value),
        }
    }

    /// A fact that is told unless it is `usual`.
    pub(crate) fn set_unless(self, usual: &str, name: &str, value: &str) -> Self {
        match value == usual {
            true => self,
            false => self.set_some(name, value),
        }
    }
}

impl From<Facts> for Value {
    fn from(facts: Facts) -> Self {
        facts.0.into()
    }
}

impl From<Facts> for Map<String, Value> {
    fn from(facts: Facts) -> Self {
        facts.0
    }
}

/// A figure with two digits behind the point.
pub(super) fn rounded(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_nothing_is_left_out() {
        let facts = Facts::new()
            .set_some("null", Value::Null)
            .set_some("no", false)
            .set_some("zero", 0)
            .set_some("text", "")
            .set_some("list", Vec::<String>::new())
            .set_some("fields", json!({}))
            .set_unless("safe", "level", "safe")
            .set_some("one", 1)
            .set_unless("safe", "was", "danger")
            .set("kept", Vec::<String>::new());
        assert_eq!(
            Value::from(facts),
            json!({"one": 1, "was": "danger", "kept": []})
        );
        assert_eq!(rounded(0.1 + 0.2), 0.3);
    }
}
