//! Spans: what was done between two moments of a trace.
//!
//! They are made with OpenTelemetry's own interface rather than from the spans of log lines, so a log filter never cuts
//! a trace and nothing of a library gets into one. Without export a span records nothing and is the place of its caller.

use std::borrow::Cow;
use std::sync::OnceLock;

use opentelemetry::Context;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _,
};
use opentelemetry_sdk::trace::{SdkTracer, Span as Recording};

pub use opentelemetry::trace::SpanKind;
pub use opentelemetry::{KeyValue, Value};

use super::TraceContext;

/// The name of what went wrong, by the conventions of OpenTelemetry.
const ERROR_TYPE: &str = "error.type";

/// Most spans have no more.
const ATTRIBUTES: usize = 4;

/// Unset as long as nothing is exported. As with log lines, there is one for the process: spans begin anywhere.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Lets all spans of the process be recorded from now on; what came first counts.
pub(crate) fn install_tracer(tracer: SdkTracer) {
    let _ = TRACER.set(tracer);
}

/// A span, which ends when it is dropped.
#[derive(Debug)]
pub struct Span {
    context: TraceContext,
    /// `None` if it is not exported.
    recording: Option<Box<Recording>>,
}

impl Span {
    /// Begins a span below `parent`, or a new trace.
    #[must_use]
    pub fn begin(
        parent: Option<TraceContext>,
        kind: SpanKind,
        name: impl FnOnce() -> Cow<'static, str>,
    ) -> Self {
        let Some(tracer) = TRACER.get() else {
            return Self::unrecorded(parent);
        };
        let above = parent.map_or_else(Context::new, |parent| {
            Context::new().with_remote_span_context(parent.into())
        });
        let builder = SpanBuilder::from_name(name())
            .with_kind(kind)
            .with_attributes(Vec::with_capacity(ATTRIBUTES));
        let recording = tracer.build_with_context(builder, &above);
        let context = recording.span_context();
        if !context.is_valid() {
            // The export has ended, as it does before the process.
            return Self::unrecorded(parent);
        }
        Self {
            context: context.into(),
            recording: recording.is_recording().then(|| Box::new(recording)),
        }
    }

    /// No span of its own: what it calls is told to be called by `parent`.
    #[must_use]
    pub fn unrecorded(parent: Option<TraceContext>) -> Self {
        Self {
            context: parent.unwrap_or_else(TraceContext::new_root),
            recording: None,
        }
    }

    /// Its place in the trace, for what it calls.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        self.context
    }

    /// Whether it will be exported.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// Adds attributes, which are made only if somebody will read them.
    pub fn describe<A: IntoIterator<Item = KeyValue>>(&mut self, attributes: impl FnOnce() -> A) {
        if let Some(recording) = &mut self.recording {
            recording.set_attributes(attributes());
        }
    }

    /// Notes that it failed, by a name from a closed set: messages may hold what is nobody else's business.
    pub fn fail(&mut self, what: impl Into<Value>) {
        if let Some(recording) = &mut self.recording {
            recording.set_attribute(KeyValue::new(ERROR_TYPE, what));
            recording.set_status(Status::error(""));
        }
    }

    /// Points to a span that it has to do with but does not come from.
    pub fn link(&mut self, to: TraceContext) {
        if let Some(recording) = &mut self.recording {
            recording.add_link(to.into(), Vec::new());
        }
    }
}

impl From<TraceContext> for SpanContext {
    fn from(context: TraceContext) -> Self {
        Self::new(
            TraceId::from(context.trace_id),
            SpanId::from(context.span_id),
            TraceFlags::default().with_sampled(context.sampled),
            true,
            TraceState::default(),
        )
    }
}

impl From<&SpanContext> for TraceContext {
    fn from(context: &SpanContext) -> Self {
        Self {
            trace_id: u128::from_be_bytes(context.trace_id().to_bytes()),
            span_id: u64::from_be_bytes(context.span_id().to_bytes()),
            sampled: context.is_sampled(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_unrecorded_span_has_the_context_of_its_caller() {
        let caller = TraceContext::new_root();
        let mut span = Span::unrecorded(Some(caller));
        span.describe(|| -> [KeyValue; 0] { panic!("nobody reads it") });
        span.fail("UNKNOWN");
        assert_eq!(span.context(), caller);
        assert!(!span.is_recording());
    }

    #[test]
    fn a_context_is_the_same_to_opentelemetry() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context = TraceContext::parse(text).unwrap();
        let theirs = SpanContext::from(context);
        assert_eq!(
            theirs.trace_id().to_string(),
            "0af7651916cd43dd8448eb211c80319c"
        );
        assert_eq!(theirs.span_id().to_string(), "b7ad6b7169203331");
        assert_eq!(TraceContext::from(&theirs), context);
    }
}
