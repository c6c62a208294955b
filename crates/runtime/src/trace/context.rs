//! One position in a trace, as text and as the context of the current task.

use std::fmt;
use std::future::Future;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// The header and metadata name of the context.
pub const TRACEPARENT: &str = "traceparent";

/// One position in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    sampled: bool,
}

impl TraceContext {
    /// Parses a `traceparent` value of version 00; `None` if it is malformed, as the specification asks.
    #[must_use]
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let version = hex(parts.next()?, 2)?;
        let trace_id = hex(parts.next()?, 32)?;
        let span_id = u64::try_from(hex(parts.next()?, 16)?).ok()?;
        let flags = hex(parts.next()?, 2)?;
        let extra = parts.next().is_some();
        let valid = version != 0xff && !(version == 0 && extra) && trace_id != 0 && span_id != 0;
        valid.then_some(Self {
            trace_id,
            span_id,
            sampled: flags & 1 == 1,
        })
    }

    /// The start of a new trace, with random ids. It is marked as sampled: a process that records nothing leaves the
    /// decision to the services it calls.
    #[must_use]
    pub fn new_root() -> Self {
        // OpenTelemetry's generator keeps its state in the thread; a UUID would ask the kernel for each id.
        let ids = RandomIdGenerator::default();
        Self {
            trace_id: u128::from_be_bytes(ids.new_trace_id().to_bytes()),
            span_id: u64::from_be_bytes(ids.new_span_id().to_bytes()),
            sampled: true,
        }
    }

    /// The same position, recorded or not.
    pub(super) fn with_sampled(self, sampled: bool) -> Self {
        Self { sampled, ..self }
    }

    /// Whether the trace is recorded (the `sampled` flag).
    pub(super) fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// The trace's id in hex.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// The span's id in hex.
    #[must_use]
    pub fn span_id(&self) -> String {
        format!("{:016x}", self.span_id)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{:032x}-{:016x}-{:02x}",
            self.trace_id,
            self.span_id,
            u8::from(self.sampled)
        )
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

/// Lower-case hex of exactly `digits` digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let well_formed =
        text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    well_formed
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten()
}

/// Runs `future` with `context` current.
pub async fn scope<F: Future>(context: TraceContext, future: F) -> F::Output {
    CURRENT.scope(context, future).await
}

/// The current context; `None` outside of a trace.
#[must_use]
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(|context| *context).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_context_survives_the_round_trip() {
        assert_eq!(TraceContext::parse(TEXT).unwrap().to_string(), TEXT);
        let root = TraceContext::new_root();
        assert_eq!(TraceContext::parse(&root.to_string()), Some(root));
        assert_eq!(root.to_string()[3..35], root.trace_id());
        assert_eq!(root.to_string()[36..52], root.span_id());
    }

    #[test]
    fn malformed_contexts_are_dropped() {
        for bad in [
            "",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_context_is_the_same_to_opentelemetry() {
        let context = TraceContext::parse(TEXT).unwrap();
        let theirs = SpanContext::from(context);
        assert_eq!(
            theirs.trace_id().to_string(),
            "0af7651916cd43dd8448eb211c80319c"
        );
        assert_eq!(theirs.span_id().to_string(), "b7ad6b7169203331");
        assert_eq!(TraceContext::from(&theirs), context);
    }
}
