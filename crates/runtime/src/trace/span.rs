//! Spans: what was done between two moments of a trace.
//!
//! A span is a `tracing` span with the target [`TARGET`], which `tracing-opentelemetry` hands to the export. The filter
//! of that layer is the target alone, so no log filter cuts a trace, and no span of a library gets into one. A span is
//! never entered: its position is the task-local context, and it ends when it is dropped. Without export it is not
//! built, and its position is that of its caller.

use opentelemetry::Context;
use opentelemetry::trace::{Status, TraceContextExt as _};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

pub use opentelemetry::{KeyValue, Value};

use super::context::TraceContext;
use super::head;

/// The target of the spans that are exported. No log line has it.
pub const TARGET: &str = "shim::trace";

/// The name of what went wrong, by the conventions of OpenTelemetry.
const ERROR_TYPE: &str = "error.type";

/// A span, which ends when it is dropped.
#[derive(Debug)]
pub struct Span {
    context: TraceContext,
    /// Disabled if it is not exported.
    span: tracing::Span,
}

impl Span {
    /// Begins a span below `parent`, or a new trace. `build` makes it with `tracing::info_span!`, the target
    /// [`TARGET`] and `parent: None`; it runs only if the trace is recorded.
    #[must_use]
    pub fn begin(parent: Option<TraceContext>, build: impl FnOnce() -> tracing::Span) -> Self {
        if !head::is_exporting() {
            return Self::unrecorded(parent);
        }
        let position = parent.unwrap_or_else(head::begin_trace);
        if !position.is_sampled() {
            return Self::unrecorded(Some(position));
        }
        let span = build();
        if let Some(parent) = parent {
            let above = Context::new().with_remote_span_context(parent.into());
            // It fails for a disabled span only, which has no context below.
            let _ = span.set_parent(above);
        }
        let started = span.context();
        let started = started.span();
        if !started.span_context().is_valid() {
            // The export has ended, as it does before the process.
            return Self::unrecorded(parent);
        }
        Self {
            context: started.span_context().into(),
            span,
        }
    }

    /// No span of its own: its position is that of `parent`, or a new trace.
    #[must_use]
    pub fn unrecorded(parent: Option<TraceContext>) -> Self {
        Self {
            context: parent.unwrap_or_else(TraceContext::new_root),
            span: tracing::Span::none(),
        }
    }

    /// Its position in the trace, for the calls it makes.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        self.context
    }

    /// Whether it will be exported.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        !self.span.is_disabled()
    }

    /// Adds attributes that were not known at the beginning. They are made only for a span that is exported.
    pub fn describe<A: IntoIterator<Item = KeyValue>>(&mut self, attributes: impl FnOnce() -> A) {
        if self.is_recording() {
            for KeyValue { key, value, .. } in attributes() {
                self.span.set_attribute(key, value);
            }
        }
    }

    /// Marks it as failed, with a name from a closed set. A message may hold what a collector must not see.
    pub fn fail(&mut self, what: impl Into<Value>) {
        self.span.set_attribute(ERROR_TYPE, what);
        self.span.set_status(Status::error(""));
    }

    /// Points to a related span that is not its parent.
    pub fn link(&mut self, to: TraceContext) {
        self.span.add_link(to.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unrecorded_span_has_the_context_of_its_caller() {
        let caller = TraceContext::new_root();
        let mut span = Span::unrecorded(Some(caller));
        span.describe(|| -> [KeyValue; 0] { panic!("an attribute is made for no span") });
        span.fail("UNKNOWN");
        assert_eq!(span.context(), caller);
        assert!(!span.is_recording());
    }
}
