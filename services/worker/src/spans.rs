//! What claims and reports from outside of this process add to a trace: a trace of their own with a link to the job's.
//!
//! Names and attributes are those of OpenTelemetry's conventions for messaging. What a task is about is never recorded.

use std::future::Future;

use shim_proto::coordination::v1::Task;
use shim_runtime::trace::{self, Span, SpanKind};
use shim_store::tasks::Claimed;
use shim_work::spans::{describe, job_context};

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

/// A report of a worker outside, which ends its claim or continues it.
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
