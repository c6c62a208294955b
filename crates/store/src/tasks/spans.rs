//! The store's part of a trace: a job enters the queues, and the trace goes on in the workers.
//!
//! Names and attributes are those of OpenTelemetry's conventions for messaging.

use shim_proto::coordination::v1::Task;
use shim_runtime::trace::{self, Span, TARGET, TraceContext};

/// The span of a job's submission, below its submitter's. `queue` is the only one its tasks go to: a job with several
/// has no single destination.
pub(super) fn send(root: &Task, parts: usize, queue: impl FnOnce() -> Option<String>) -> Span {
    let mut span = Span::begin(trace::current(), || {
        let parts = i64::try_from(parts).unwrap_or(i64::MAX);
        tracing::info_span!(
            target: TARGET,
            parent: None,
            "send work",
            otel.kind = "producer",
            messaging.system = "bullmq",
            messaging.operation.name = "send",
            "messaging.operation.type" = "send",
            messaging.message.id = root.task_id,
            messaging.destination.name = queue(),
            messaging.batch.message_count = (parts > 0).then_some(parts),
        )
    });
    // A run of a schedule has a trace of its own: the schedule's may be years old.
    if let Some(schedule) = TraceContext::parse(&root.traceparent) {
        span.link(schedule);
    }
    span
}
