//! The redaction of free-form data: objects, lists and the texts in them.

use prost_types::value::Kind;
use prost_types::{Struct, Value};

use super::arguments;
use super::names::{self, Around};
use super::text::string;

/// Redacts every text of free-form data, and whole each one that stands under a name such as `password` and is set.
pub fn data(data: &mut Struct) {
    object(data, None);
}

fn object(data: &mut Struct, outer: Option<Around>) {
    let fields = std::mem::take(&mut data.fields);
    let named_by = fields.iter().filter_map(|(name, field)| match &field.kind {
        Some(Kind::StringValue(text)) => names::named_by(name, text),
        _ => None,
    });
    let outer = named_by.max().or(outer);
    data.fields = fields
        .into_iter()
        .map(|(mut name, mut field)| {
            value(&mut field, names::around(&name, outer));
            string(&mut name);
            (name, field)
        })
        .collect();
}

fn value(value: &mut Value, around: Option<Around>) {
    match &mut value.kind {
        Some(Kind::StringValue(text)) => {
            match around.and_then(|around| names::mark(text, around.strength)) {
                Some(mark) => *text = mark,
                None => string(text),
            }
        }
        Some(Kind::ListValue(list)) => {
            redact_arguments(&mut list.values);
            for item in &mut list.values {
                self::value(item, around);
            }
        }
        Some(Kind::StructValue(inner)) => object(inner, around),
        Some(Kind::NullValue(_) | Kind::NumberValue(_) | Kind::BoolValue(_)) | None => {}
    }
}

fn redact_arguments(items: &mut [Value]) {
    let texts: Vec<Option<&str>> = items
        .iter()
        .map(|item| match &item.kind {
            Some(Kind::StringValue(text)) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let redacted = arguments::redacted(&texts);
    for (item, redacted) in items.iter_mut().zip(redacted) {
        if let Some(redacted) = redacted {
            item.kind = Some(Kind::StringValue(redacted));
        }
    }
}
