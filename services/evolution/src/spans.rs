//! What a stage of work adds to a trace: a span below the call's or the attempt's. What a project is called is never recorded.

use shim_runtime::service_error::ServiceError;
use shim_runtime::trace::{self, Span, TARGET, TraceContext};

use crate::error::EvolutionError;

/// Works in a span of its own, named by the stage.
pub(crate) async fn stage<T>(
    name: &'static str,
    work: impl Future<Output = Result<T, EvolutionError>>,
) -> Result<T, EvolutionError> {
    let mut span = Span::begin(trace::current(), || {
        tracing::info_span!(
            target: TARGET,
            parent: None,
            "evolution stage",
            otel.name = name,
            otel.kind = "internal",
        )
    });
    // On the heap: stages lie within each other, and would fill the stack of a thread.
    let done = trace::scope(span.context(), Box::pin(work)).await;
    if let Err(error) = &done {
        span.fail(ServiceError::from(error.clone()).reason);
    }
    done
}

/// Goes on in a trace on another task of the runtime.
pub(crate) async fn continued<T>(from: Option<TraceContext>, work: impl Future<Output = T>) -> T {
    match from {
        Some(from) => trace::scope(from, work).await,
        None => work.await,
    }
}
