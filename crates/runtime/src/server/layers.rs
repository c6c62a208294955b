//! What crosses every call, in this order:
//!
//! 1. activity, so an idle stack can stop itself: counted before anything can refuse;
//! 2. metrics, which count refusals, too;
//! 3. admission: authentication, role and rate, before an unknown caller costs anything; a waiting call ends when its
//!    [`RevocationWatch`] fires;
//! 4. a permit to work, before the body is read, and the budget for bodies being read;
//! 5. the trace context, so that everything below logs with it;
//! 6. the redaction of secrets, so that no handler and nothing below ever has them;
//! 7. the panic catch, innermost, so that one broken call ends alone;
//! 8. on the way back, refusals of the transport are translated into the contract's codes and reasons.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use shim_proto::limits::MAX_MESSAGE_BYTES;
use shim_proto::reasons;
use tonic::body::Body;
use tonic::{Code, Status};
use tracing::Instrument;

use super::admission::Admission;
use super::call_metrics::{CallMeasurement, CallMetrics};
use super::caller_scope;
use super::concurrency::{self, ConcurrencyLimits, Permit};
use super::revocation::RevocationWatch;
use crate::auth::Caller;
use crate::body_hook::{BodyHook, FinalFrame, data_bytes, with_hook};
use crate::service_error::ServiceError;
use crate::{redact, trace};

/// Request bytes being read at once over all calls.
const MAX_BODY_BYTES: usize = 96 * 1024 * 1024;

/// The time of the last call, and the number of open calls: a watcher of a stream keeps one call open for hours. Clones
/// share one state.
#[derive(Debug, Clone)]
pub struct Activity {
    started: Instant,
    last_call_ms: Arc<AtomicU64>,
    open_calls: Arc<AtomicUsize>,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            last_call_ms: Arc::default(),
            open_calls: Arc::default(),
        }
    }
}

impl Activity {
    /// Begins a call that is open until the returned value is dropped.
    fn begin_call(&self) -> OpenCall {
        self.open_calls.fetch_add(1, Ordering::Relaxed);
        OpenCall(self.clone())
    }

    /// Time since a call was open, or since the start.
    #[must_use]
    pub fn idle_for(&self) -> Duration {
        if self.open_calls.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        Duration::from_millis(
            elapsed_ms(self.started).saturating_sub(self.last_call_ms.load(Ordering::Relaxed)),
        )
    }
}

/// A call from its arrival to the last byte of its answer.
struct OpenCall(Activity);

impl Drop for OpenCall {
    fn drop(&mut self) {
        let Activity {
            started,
            last_call_ms,
            open_calls,
        } = &self.0;
        last_call_ms.fetch_max(elapsed_ms(*started), Ordering::Relaxed);
        open_calls.fetch_sub(1, Ordering::Relaxed);
    }
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The layers around every service.
pub(super) fn layer<S>(
    admission: Admission,
    activity: Activity,
    call_metrics: CallMetrics,
) -> impl tower::Layer<S, Service = LayeredService<S>> + Clone {
    let shared = Arc::new(LayerState {
        admission,
        activity,
        call_metrics,
        limits: Arc::default(),
        body_bytes: Arc::new(AtomicUsize::new(0)),
    });
    tower::layer::layer_fn(move |inner| LayeredService {
        inner,
        shared: Arc::clone(&shared),
    })
}

struct LayerState {
    admission: Admission,
    activity: Activity,
    call_metrics: CallMetrics,
    limits: Arc<ConcurrencyLimits>,
    body_bytes: Arc<AtomicUsize>,
}

impl LayerState {
    /// Counts the bytes of the body while it is read, as long as its caller may send them, and takes the secrets out.
    fn guard_body(&self, request: Request<Body>, revocation: &RevocationWatch) -> Request<Body> {
        let hook = RequestHook {
            taken: 0,
            budget: Arc::clone(&self.body_bytes),
            revocation: revocation.for_request_body(),
        };
        redact::redact_request(request.map(|body| with_hook(body, hook)))
    }

    /// Lets a call in, with a permit to work.
    fn admit(
        &self,
        request: Request<Body>,
    ) -> Result<(Request<Body>, RevocationWatch, Permit), Status> {
        let (request, revocation) = self.admission.admit(request)?;
        Ok((request, revocation, self.limits.acquire()?))
    }
}

/// A service behind all the layers.
#[derive(Clone)]
pub(super) struct LayeredService<S> {
    inner: S,
    shared: Arc<LayerState>,
}

impl<S> tower::Service<Request<Body>> for LayeredService<S>
where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let open = self.shared.activity.begin_call();
        let mut measurement = self.shared.call_metrics.begin(request.uri().path());
        let (request, mut revocation, permit) = match self.shared.admit(request) {
            Ok(admitted) => admitted,
            Err(refused) => return Box::pin(std::future::ready(Ok(refuse(refused, measurement)))),
        };
        let span = trace::server_span(&request);
        let context = span.context();
        let logged = tracing::debug_span!("grpc", method = request.uri().path());
        let request = self.shared.guard_body(request, &revocation);
        // The clone must stay behind: only the original was polled ready.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let caller = request.extensions().get::<Caller>().cloned();
        let answer = AssertUnwindSafe(async move {
            caller_scope::scope(caller.as_ref(), inner.call(request)).await
        })
        .catch_unwind();
        let answer = async move {
            let answer = run_to_end(answer, &mut revocation, &permit).await;
            let permit = permit.into_stream_permit();
            answer.map(|answer| {
                let answer =
                    trace::end_with_response(span, true, translate_transport_errors(answer));
                measurement.record_response(&answer);
                let hook = ResponseHook {
                    measurement,
                    revocation,
                    _open: open,
                    _permit: permit,
                };
                answer.map(|body| with_hook(body, hook))
            })
        };
        Box::pin(trace::scope(context, answer.instrument(logged)))
    }
}

/// The answer of a call, which may panic, and lose its token while it waits for others.
async fn run_to_end(
    answer: impl Future<Output = std::thread::Result<Result<Response<Body>, Infallible>>>,
    revocation: &mut RevocationWatch,
    permit: &Permit,
) -> Result<Response<Body>, Infallible> {
    let answer = permit.scope(answer);
    match revocation.run_unless_revoked(answer, permit).await {
        Ok(answer) => answer.unwrap_or_else(|_| Ok(panicked().into_http())),
        Err(revoked) => Ok(revoked.into_http()),
    }
}

/// The answer to a call that was not admitted.
fn refuse(refused: Status, mut measurement: CallMeasurement) -> Response<Body> {
    let answer = refused.into_http();
    measurement.record_response(&answer);
    answer
}

fn panicked() -> Status {
    tracing::error!("a call panicked; the service goes on");
    ServiceError {
        code: Code::Internal,
        reason: reasons::PANIC,
        message: "the call ended in a defect of the service".into(),
        remedy: Some("report it with the service's log; other calls are not affected".into()),
        retry_after: None,
    }
    .into()
}

/// tonic answers a message that is no valid protobuf with INTERNAL and an oversized one with OUT_OF_RANGE; to the
/// caller the first is a bad argument and the second an exhausted limit, as in gRPC's own libraries.
fn translate_transport_errors(response: Response<Body>) -> Response<Body> {
    if !response.headers().contains_key("grpc-status") {
        return response;
    }
    let Some(status) = Status::from_header_map(response.headers()) else {
        return response;
    };
    let (code, reason, message) = match status.code() {
        Code::Internal => match status
            .message()
            .strip_prefix("failed to decode Protobuf message: ")
        {
            Some(what) => (
                Code::InvalidArgument,
                reasons::BAD_REQUEST,
                format!("the message does not decode: {what}"),
            ),
            None => return response,
        },
        Code::OutOfRange if status.message().contains("message length too large") => (
            Code::ResourceExhausted,
            reasons::MESSAGE_TOO_LARGE,
            format!("the message is larger than the limit of {MAX_MESSAGE_BYTES} bytes"),
        ),
        _ => return response,
    };
    Status::from(ServiceError {
        code,
        reason,
        message,
        remedy: None,
        retry_after: None,
    })
    .into_http()
}

/// Keeps a call open, and a stream's permit, until the answer is sent whole or the caller's token is revoked.
struct ResponseHook {
    measurement: CallMeasurement,
    revocation: RevocationWatch,
    _open: OpenCall,
    _permit: Option<Permit>,
}

impl BodyHook for ResponseHook {
    fn on_frame(&mut self, next: Option<&Result<Frame<Bytes>, Status>>) -> Result<(), Status> {
        if let Some(Ok(frame)) = next {
            self.measurement.record_frame(frame);
        }
        Ok(())
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<FinalFrame> {
        self.revocation
            .poll_revoked(cx)
            .map(|revoked| trailers(&revoked))
    }

    fn poll_end_while_idle(&mut self, cx: &mut Context<'_>) -> Poll<FinalFrame> {
        self.revocation
            .begin_watching(cx)
            .map(|revoked| trailers(&revoked))
    }
}

/// A status as the trailers of an answer that has begun.
fn trailers(status: &Status) -> FinalFrame {
    let mut headers = HeaderMap::new();
    let added = status.add_header(&mut headers);
    Some(added.map(|()| Frame::trailers(headers)))
}

/// Counts the bytes of a request against the budget until it is read and dropped, as long as its caller may send them.
struct RequestHook {
    taken: usize,
    budget: Arc<AtomicUsize>,
    revocation: RevocationWatch,
}

impl Drop for RequestHook {
    fn drop(&mut self) {
        self.budget.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

impl BodyHook for RequestHook {
    fn on_frame(&mut self, next: Option<&Result<Frame<Bytes>, Status>>) -> Result<(), Status> {
        let Some(bytes) = data_bytes(next) else {
            return Ok(());
        };
        self.taken += bytes;
        if self.budget.fetch_add(bytes, Ordering::Relaxed) + bytes > MAX_BODY_BYTES {
            return Err(concurrency::too_many_bytes());
        }
        Ok(())
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<FinalFrame> {
        self.revocation
            .poll_revoked(cx)
            .map(|revoked| Some(Err(revoked)))
    }

    fn poll_end_while_idle(&mut self, cx: &mut Context<'_>) -> Poll<FinalFrame> {
        self.revocation
            .begin_watching(cx)
            .map(|revoked| Some(Err(revoked)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_call_is_never_idle() {
        let tick = Duration::from_millis(3);
        let activity = Activity::default();
        let open = activity.begin_call();
        std::thread::sleep(tick);
        assert_eq!(activity.idle_for(), Duration::ZERO);
        drop(open);
        std::thread::sleep(tick);
        assert!(activity.idle_for() >= Duration::from_millis(2));
    }
}
