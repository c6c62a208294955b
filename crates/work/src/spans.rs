//! What an attempt adds to a trace: it continues the trace in which its job was submitted.
//!
//! Names and attributes are those of OpenTelemetry's conventions for messaging. What a task is about is never recorded.

use shim_proto::coordination::v1::Task;
use shim_runtime::trace::{self, KeyValue, Span, TARGET, TraceContext};

use crate::outcome::AttemptOutcome;

/// The context of a task's job in the submitter's trace.
#[must_use]
pub fn job_context(task: &Task) -> Option<TraceContext> {
    TraceContext::parse(&task.traceparent)
}

/// Adds the attributes of an operation on a task's message.
pub fn describe(span: &mut Span, operation: &'static str, task: &Task) {
    span.describe(|| {
        [
            KeyValue::new("messaging.system", "bullmq"),
            KeyValue::new("messaging.operation.name", operation),
            KeyValue::new("messaging.operation.type", operation),
            KeyValue::new("messaging.message.id", task.task_id.clone()),
            KeyValue::new("messaging.message.conversation_id", task.root_id.clone()),
        ]
    });
}

/// An attempt at a task by a worker of this process.
pub(crate) fn process(task: &Task) -> Span {
    let mut span = Span::begin(job_context(task), || {
        tracing::info_span!(
            target: TARGET,
            parent: None,
            "process work",
            otel.kind = "consumer",
            shim.worker.id = task.worker_id,
            shim.task.attempt = i64::from(task.attempts),
            shim.task.worker_deaths = i64::from(task.worker_deaths),
        )
    });
    describe(&mut span, "process", task);
    span
}

/// Records how an attempt ended.
pub(crate) fn record_outcome(span: &mut Span, outcome: &AttemptOutcome) {
    match outcome {
        AttemptOutcome::Completed(_) => {}
        AttemptOutcome::Failed(failure) => span.fail(failure.error.reason.clone()),
        AttemptOutcome::Stopped => span.fail("STOPPED"),
        AttemptOutcome::NotRunnable(_) | AttemptOutcome::Unfit(_) => span.fail("UNFIT"),
    }
}

/// The delivery of an attempt's outcome.
pub(crate) fn settle(task: &Task) -> Span {
    let mut span = settle_work();
    describe(&mut span, "settle", task);
    span
}

/// A report that ends a claim; the caller adds the task.
#[must_use]
pub fn settle_work() -> Span {
    Span::begin(trace::current(), || {
        tracing::info_span!(
            target: TARGET,
            parent: None,
            "settle work",
            otel.kind = "client",
        )
    })
}
