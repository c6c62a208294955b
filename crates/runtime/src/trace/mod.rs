//! W3C trace context (<https://www.w3.org/TR/trace-context/>): taken from whoever calls, passed on to whoever is called.
//!
//! The current context is task-local, so a client deep inside a handler sends it without being handed it, and every log
//! line knows it. What is recorded of a trace is a [`Span`]; where those go is [`crate::telemetry`]'s business.

mod calls;
mod span;

use std::fmt;
use std::future::Future;

use uuid::Uuid;

pub use calls::Traced;
pub(crate) use calls::{end_with_response, server_span};
pub(crate) use span::install_tracer;
pub use span::{KeyValue, Span, SpanKind, Value};

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

    /// The start of a new trace.
    #[must_use]
    pub fn new_root() -> Self {
        Self {
            trace_id: Uuid::new_v4().as_u128(),
            span_id: random_span_id(),
            sampled: true,
        }
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

/// Lower-case hex of exactly `digits` digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let well_formed =
        text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    well_formed
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten()
}

fn random_span_id() -> u64 {
    // The low half of a v4 UUID carries 62 random bits behind its variant bits, so it is never zero.
    Uuid::new_v4().as_u64_pair().1
}

/// Runs `future` with `context` current.
pub async fn scope<F: Future>(context: TraceContext, future: F) -> F::Output {
    CURRENT.scope(context, future).await
}

/// The current context, if a caller set one.
#[must_use]
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(|context| *context).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_context_survives_the_round_trip() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(TraceContext::parse(text).unwrap().to_string(), text);
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
}
