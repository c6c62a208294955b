//! The workers' part of a trace. An attempt of this process goes on where its job began. An external worker claims and
//! reports in a trace of its own, with a link to the job's.
//!
//! Names and attributes are those of OpenTelemetry's conventions for messaging. A task's content is never recorded.

use std::future::Future;
use std::path::Path;

use shim_proto::coordination::v1::Task;
use shim_runtime::trace::{self, KeyValue, Span, TARGET, TraceContext};
use shim_store::tasks::Claimed;

use crate::executor::AttemptOutcome;

/// The position in the submitter's trace at which a task's job began.
pub(crate) fn job_context(task: &Task) -> Option<TraceContext> {
    TraceContext::parse(&task.traceparent)
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
        AttemptOutcome::NotRunnable(_) => span.fail("UNFIT"),
    }
}

/// The delivery of an attempt's outcome.
pub(crate) fn settle(task: &Task) -> Span {
    let mut span = settle_work();
    describe(&mut span, "settle", task);
    span
}

/// A run of a program. The program reads its position from `TRACEPARENT`, where other tools look for it, too.
pub(crate) fn program(file: &Path) -> Span {
    Span::begin(trace::current(), || {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        tracing::info_span!(
            target: TARGET,
            parent: None,
            "run program",
            process.executable.name = &*name,
        )
    })
}

/// A claim by an external worker.
pub(crate) async fn receiving<E>(
    claim: impl Future<Output = Result<Option<Claimed>, E>>,
) -> Result<Option<Claimed>, E> {
    let mut span = Span::begin(trace::current(), || {
        tracing::info_span!(
            target: TARGET,
            parent: None,
            "receive work",
            otel.kind = "client",
        )
    });
    let claimed = trace::scope(span.context(), claim).await;
    if let Ok(Some(claimed)) = &claimed {
        link_job(&mut span, "receive", &claimed.task);
    }
    claimed
}

/// A report of an external worker, which ends its claim or keeps it.
pub(crate) async fn settling<E>(report: impl Future<Output = Result<Task, E>>) -> Result<Task, E> {
    let mut span = settle_work();
    let task = trace::scope(span.context(), report).await;
    if let Ok(task) = &task {
        link_job(&mut span, "settle", task);
    }
    task
}

fn settle_work() -> Span {
    Span::begin(trace::current(), || {
        tracing::info_span!(
            target: TARGET,
            parent: None,
            "settle work",
            otel.kind = "client",
        )
    })
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
