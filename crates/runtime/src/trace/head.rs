//! Head sampling: one decision for each trace, taken before its first span is built.
//!
//! Building a `tracing` span and starting it with OpenTelemetry costs several times what the decision costs, and a
//! service under load records one call of twenty. So a span of a trace that is not recorded is never built: the sampler
//! is asked first, and the SDK's own sampler then follows the flag.

use std::cell::Cell;
use std::sync::OnceLock;

use opentelemetry::trace::{SpanId, SpanKind, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SamplingDecision, ShouldSample};

use super::context::TraceContext;

/// Unset as long as nothing is exported. As for log lines, there is one for the process: spans begin anywhere.
static ROOT_SAMPLER: OnceLock<Box<dyn ShouldSample>> = OnceLock::new();

thread_local! {
    /// The id of a trace that was decided on and whose first span starts next on this thread.
    static DECIDED: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// Lets all traces of the process be recorded from now on, as `sampler` decides. The first call counts.
pub(crate) fn install_root_sampler(sampler: impl ShouldSample + 'static) {
    let _ = ROOT_SAMPLER.set(Box::new(sampler));
}

/// Whether spans are exported at all.
pub(super) fn is_exporting() -> bool {
    ROOT_SAMPLER.get().is_some()
}

/// A new trace with the decision in its flag. If it is recorded, its first span must start next on this thread.
pub(super) fn begin_trace() -> TraceContext {
    let root = TraceContext::new_root();
    let Some(sampler) = ROOT_SAMPLER.get() else {
        return root;
    };
    let trace_id = opentelemetry::trace::SpanContext::from(root).trace_id();
    let decided = sampler.should_sample(None, trace_id, "", &SpanKind::Internal, &[], &[]);
    let is_recorded = decided.decision == SamplingDecision::RecordAndSample;
    if is_recorded {
        DECIDED.set(Some(trace_id));
    }
    root.with_sampled(is_recorded)
}

/// Ids for the SDK. A root span carries the trace id on which the sampler decided: a share of the traces is chosen by
/// their ids, and other tools repeat that choice.
#[derive(Debug, Default)]
pub(crate) struct DecidedTraceIds(RandomIdGenerator);

impl IdGenerator for DecidedTraceIds {
    fn new_trace_id(&self) -> TraceId {
        DECIDED.take().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}
