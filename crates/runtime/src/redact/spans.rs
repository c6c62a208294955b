//! Spans without secrets: a name or an attribute goes to another machine.

use std::borrow::Cow;

use opentelemetry::trace::Status;
use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::SpanData;

use super::text;

/// Redacts all texts of spans before they are exported.
pub(crate) fn redact_spans(spans: &mut [SpanData]) {
    for span in spans {
        if let Cow::Owned(name) = text::text(&span.name) {
            span.name = Cow::Owned(name);
        }
        attributes(&mut span.attributes);
        for event in &mut span.events.events {
            if let Cow::Owned(name) = text::text(&event.name) {
                event.name = Cow::Owned(name);
            }
            attributes(&mut event.attributes);
        }
        if let Status::Error { description } = &mut span.status
            && let Cow::Owned(redacted) = text::text(description)
        {
            *description = Cow::Owned(redacted);
        }
    }
}

fn attributes(attributes: &mut [KeyValue]) {
    for attribute in attributes {
        match &mut attribute.value {
            Value::String(text) => string(text),
            Value::Array(Array::String(texts)) => texts.iter_mut().for_each(string),
            _ => {}
        }
    }
}

fn string(text: &mut StringValue) {
    if let Cow::Owned(redacted) = text::text(text.as_str()) {
        *text = redacted.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_lose_their_secrets_and_nothing_else() {
        let url = format!("redis://user:{}@host:6379", "p4ss".repeat(3));
        let texts = [url.clone(), "plain".to_owned()].map(StringValue::from);
        let mut seen = [
            KeyValue::new("one", url.clone()),
            KeyValue::new("many", Value::Array(Array::String(texts.into()))),
            KeyValue::new("count", 3),
        ];
        attributes(&mut seen);
        let mark = "redis://user:[redacted:url-password]@host:6379";
        assert_eq!(seen[0].value.as_str(), mark);
        assert_eq!(seen[1].value.as_str(), format!("[\"{mark}\",\"plain\"]"));
        assert_eq!(seen[2].value, Value::I64(3));
    }
}
