//! What workers add to a trace: an attempt goes on where its job began, and those outside who claim and report have a
//! trace of their own with a link to the job's.
//!
//! Names and attributes are those of OpenTelemetry's conventions for messaging. What a task is about is never told.

use std::future::Future;
use std::path::Path;

use shim_proto::coordination::v1::Task;
use shim_runtime::trace::{self, KeyValue, Span, SpanKind, TraceContext};
use shim_store::tasks::Claimed;

use crate::executor::AttemptOutcome;

/// Where a task's job began in its submitter's trace.
pub(crate) fn job_context(task: &Task) -> Option<TraceContext> {
    TraceContext::parse(&task.traceparent)
}

/// An attempt at a task by a worker of this process.
pub(crate) fn process(task: &Task) -> Span {
    let mut span = Span::begin(job_context(task), SpanKind::Consumer, || {
        "process work".into()
    });
    describe(&mut span, "process", task);
    span.describe(|| {
        [
            KeyValue::new("shim.worker.id", task.worker_id.clone()),
            KeyValue::new("shim.task.attempt", i64::from(task.attempts)),
            KeyValue::new("shim.task.worker_deaths", i64::from(task.worker_deaths)),
        ]
    });
    span
}

/// Notes how an attempt ended.
pub(crate) fn record_outcome(span: &mut Span, outcome: &AttemptOutcome) {
    match outcome {
        AttemptOutcome::Completed(_) => {}
        AttemptOutcome::Failed(failure) => span.fail(failure.error.reason.clone()),
        AttemptOutcome::Stopped => span.fail("STOPPED"),
        AttemptOutcome::NotRunnable(_) => span.fail("UNFIT"),
    }
}

/// The delivery of an attempt's outcome.
pub(crate) fn settle(task: &Task) -> Span {
    let mut span = Span::begin(trace::current(), SpanKind::Client, || "settle work".into());
    describe(&mut span, "settle", task);
    span
}

/// A run of a program. The program finds its place in the trace where other tools expect it, too.
pub(crate) fn program(file: &Path) -> Span {
    let mut span = Span::begin(trace::current(), SpanKind::Internal, || {
        "run program".into()
    });
    span.describe(|| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        [KeyValue::new("process.executable.name", name.into_owned())]
    });
    span
}

/// A claim by a worker outside.
pub(crate) async fn receiving<E>(
    claim: impl Future<Output = Result<Option<Claimed>, E>>,
) -> Result<Option<Claimed>, E> {
    let mut span = Span::begin(trace::current(), SpanKind::Client, || "receive work".into());
    let claimed = trace::scope(span.context(), claim).await;
    if let Ok(Some(claimed)) = &claimed {
        link_job(&mut span, "receive", &claimed.task);
    }
    claimed
}

/// A report of a worker outside, which ends its claim or goes on with it.
pub(crate) async fn settling<E>(report: impl Future<Output = Result<Task, E>>) -> Result<Task, E> {
    let mut span = Span::begin(trace::current(), SpanKind::Client, || "settle work".into());
    let task = trace::scope(span.context(), report).await;
    if let Ok(task) = &task {
        link_job(&mut span, "settle", task);
    }
    task
}

fn link_job(span: &mut Span, operation: &'static str, task: &Task) {
    describe(span, operation, task);
    if let Some(job_context) = job_context(task) {
        span.link(job_context);
    }
}

fn describe(span: &mut Span, operation: &'static str, task: &Task) {
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
