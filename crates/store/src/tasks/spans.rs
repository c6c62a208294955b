//! What the store adds to a trace: a job goes into the queues, and its workers continue the trace.
//!
//! Names and attributes are those of OpenTelemetry's conventions for messaging.

use shim_runtime::trace::{self, KeyValue, Span, SpanKind, TraceContext};

use super::submission::Submission;

/// The span of a job that is submitted, below its submitter's.
pub(super) fn send(plan: &Submission) -> Span {
    let mut span = Span::begin(trace::current(), SpanKind::Producer, || "send work".into());
    span.describe(|| {
        let (classes, count) = (plan.classes(), plan.tasks().count());
        let mut attributes = vec![
            KeyValue::new("messaging.system", "bullmq"),
            KeyValue::new("messaging.operation.name", "send"),
            KeyValue::new("messaging.operation.type", "send"),
            KeyValue::new("messaging.message.id", plan.root.task_id.clone()),
        ];
        // The tasks of a job may go into several queues.
        if let [class] = classes.as_slice() {
            let queue = class.name.clone();
            attributes.push(KeyValue::new("messaging.destination.name", queue));
        }
        if let parts @ 1.. = i64::try_from(count).unwrap_or(i64::MAX) - 1 {
            attributes.push(KeyValue::new("messaging.batch.message_count", parts));
        }
        attributes
    });
    // A run of a schedule begins a trace of its own, years after the schedule's.
    if let Some(schedule) = TraceContext::parse(&plan.root.traceparent) {
        span.link(schedule);
    }
    span
}
