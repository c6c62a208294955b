//! Spans without secrets: what an error said or a name held is on its way to another machine.

use std::borrow::Cow;

use opentelemetry::trace::Status;
use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::SpanData;

/// Redacts all texts of spans that are about to be exported.
pub(crate) fn scrub(spans: &mut [SpanData]) {
    for span in spans {
        if let Cow::Owned(name) = super::text(&span.name) {
            span.name = Cow::Owned(name);
        }
        attributes(&mut span.attributes);
        for event in &mut span.events.events {
            if let Cow::Owned(name) = super::text(&event.name) {
                event.name = Cow::Owned(name);
            }
            attributes(&mut event.attributes);
        }
        if let Status::Error { description } = &mut span.status
            && let Cow::Owned(redacted) = super::text(description)
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
    if let Cow::Owned(redacted) = super::text(text.as_str()) {
        *text = redacted.into();
    }
}
