//! What an external worker's claims and reports add to a trace: a trace of their own with a link to the job's.
//!
//! Names and attributes are those of OpenTelemetry's conventions for messaging. A task's content is never recorded.

use std::future::Future;

use shim_proto::coordination::v1::Task;
use shim_runtime::trace::{self, Span, TARGET};
use shim_store::tasks::Claimed;
use shim_work::spans::{describe, job_context, settle_work};

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

fn link_job(span: &mut Span, operation: &'static str, task: &Task) {
    describe(span, operation, task);
    if let Some(job_context) = job_context(task) {
        span.link(job_context);
    }
}
