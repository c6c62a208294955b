//! W3C trace context (<https://www.w3.org/TR/trace-context/>): read from a caller, passed on with every call.
//!
//! The current context is task-local, so a client deep inside a handler sends it without a parameter, and every log line
//! carries it. It works in a process that exports nothing, too. What is recorded of a trace is a [`Span`]; this module
//! never decides where spans go, which is the part of [`crate::telemetry`].

mod calls;
mod context;
mod head;
mod span;

pub use calls::Traced;
pub(crate) use calls::{end_with_response, server_span};
pub use context::{TRACEPARENT, TraceContext, current, scope};
pub(crate) use head::{DecidedTraceIds, install_root_sampler};
pub use span::{KeyValue, Span, TARGET, Value};
