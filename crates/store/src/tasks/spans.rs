//! The store's part of a trace: a job enters the queues, and the trace goes on in the workers.
//!
//! Names and attributes are those of OpenTelemetry's conventions for messaging.

use shim_runtime::trace::{self, Span, TARGET, TraceContext};

use super::submission::Submission;

/// The span of a job's submission, below its submitter's.
pub(super) fn send(plan: &Submission) -> Span {
    let mut span = Span::begin(trace::current(), || {
        let classes = plan.classes();
        // The tasks of one job may go to several queues; then the job has no single destination.
        let queue = match classes.as_slice() {
            [class] => Some(class.name.as_str()),
            _ => None,
        };
        let parts = i64::try_from(plan.tasks().count()).unwrap_or(i64::MAX) - 1;
        tracing::info_span!(
            target: TARGET,
            parent: None,
            "send work",
            otel.kind = "producer",
            messaging.system = "bullmq",
            messaging.operation.name = "send",
            "messaging.operation.type" = "send",
            messaging.message.id = plan.root.task_id,
            messaging.destination.name = queue,
            messaging.batch.message_count = (parts > 0).then_some(parts),
        )
    });
    // A run of a schedule has a trace of its own: the schedule's may be years old.
    if let Some(schedule) = TraceContext::parse(&plan.root.traceparent) {
        span.link(schedule);
    }
    span
}
