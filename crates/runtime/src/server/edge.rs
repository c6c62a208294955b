//! What crosses every call, in this order:
//!
//! 1. activity, so an idle stack can stop itself: counted before anything can refuse;
//! 2. measures, which count refusals, too;
//! 3. admission: who may call, what and how often, before a stranger's call costs anything; a call that waits is ended when
//!    its caller's [`Standing`] is lost;
//! 4. a place among the calls at work, before the body is read, and the budget for bodies being read;
//! 5. the trace context, so everything below logs with it;
//! 6. the redaction of secrets, so that no handler and nothing below ever has them;
//! 7. the panic catch, innermost, so one broken call ends alone;
//! 8. on the way back, transport refusals are put into the codes and words of the contract.

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
use tonic::body::Body;
use tonic::{Code, Status};
use tracing::Instrument;

use super::admission::Admission;
use super::measure::{Call, Measures};
use super::places::{self, Place, Places};
use super::standing::Standing;
use crate::fault::{BAD_REQUEST, Fault};
use crate::watched::{Last, Watch, data_bytes, watched};
use crate::{redact, trace};

/// The largest message a server decodes. Above the largest allowed field, so that the field is named, not the message.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Request bytes being read at once over all calls.
const MAX_BODY_BYTES: usize = 96 * 1024 * 1024;

/// When calls came, and whether any is still open: a watcher of a stream makes one call and stays for hours. Clones
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
    /// Notes a call that is open until what this returns is dropped.
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

/// The layer that wraps every service.
pub(super) fn layer<S>(
    admission: Admission,
    activity: Activity,
    measures: Measures,
) -> impl tower::Layer<S, Service = Edge<S>> + Clone {
    let shared = Arc::new(Shared {
        admission,
        activity,
        measures,
        places: Arc::default(),
        body_bytes: Arc::new(AtomicUsize::new(0)),
    });
    tower::layer::layer_fn(move |inner| Edge {
        inner,
        shared: Arc::clone(&shared),
    })
}

struct Shared {
    admission: Admission,
    activity: Activity,
    measures: Measures,
    places: Arc<Places>,
    body_bytes: Arc<AtomicUsize>,
}

impl Shared {
    /// A call that may come in and finds a place.
    fn let_in(&self, request: Request<Body>) -> Result<(Request<Body>, Standing, Place), Status> {
        let (request, standing) = self.admission.admit(request)?;
        Ok((request, standing, self.places.enter()?))
    }
}

/// A service behind everything that crosses every call.
#[derive(Clone)]
pub(super) struct Edge<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> tower::Service<Request<Body>> for Edge<S>
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
        let mut measured = self.shared.measures.begin(request.uri().path());
        let (request, mut standing, place) = match self.shared.let_in(request) {
            Ok(admitted) => admitted,
            Err(refused) => return Box::pin(std::future::ready(Ok(refuse(refused, measured)))),
        };
        let span = trace::served(&request);
        let context = span.context();
        let logged = tracing::debug_span!("grpc", method = request.uri().path());
        let arriving = Arriving {
            taken: 0,
            budget: Arc::clone(&self.shared.body_bytes),
            standing: standing.again(),
        };
        let request = request.map(|body| watched(body, arriving));
        let request = redact::without_secrets(request);
        // The clone must stay behind: only the original was polled ready.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let answer = AssertUnwindSafe(async move { inner.call(request).await }).catch_unwind();
        let answer = async move {
            let answer = match standing.hold_for(place.scope(answer), &place).await {
                Ok(answer) => answer.unwrap_or_else(|_| Ok(panicked().into_http())),
                Err(lapsed) => Ok(lapsed.into_http()),
            };
            let place = place.kept_by_stream();
            answer.map(|answer| {
                let answer = trace::until_answered(span, true, in_words_of_the_contract(answer));
                measured.answered(&answer);
                let held = HeldOpen {
                    measured,
                    standing,
                    _open: open,
                    _place: place,
                };
                answer.map(|body| watched(body, held))
            })
        };
        Box::pin(trace::scope(context, answer.instrument(logged)))
    }
}

/// The answer to a call that comes no further.
fn refuse(refused: Status, mut measured: Call) -> Response<Body> {
    let answer = refused.into_http();
    measured.answered(&answer);
    answer
}

fn panicked() -> Status {
    tracing::error!("a call panicked; the service goes on");
    Fault {
        code: Code::Internal,
        reason: "PANIC",
        message: "the call ended in a defect of the service".into(),
        remedy: Some("report it with the service's log; other calls are not affected".into()),
        retry_after: None,
    }
    .into()
}

/// tonic answers a message that is no valid protobuf with INTERNAL and an oversized one with OUT_OF_RANGE; to the
/// caller the first is a bad argument and the second an exhausted limit, as in gRPC's own libraries.
fn in_words_of_the_contract(response: Response<Body>) -> Response<Body> {
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
                BAD_REQUEST,
                format!("the message does not decode: {what}"),
            ),
            None => return response,
        },
        Code::OutOfRange if status.message().contains("message length too large") => (
            Code::ResourceExhausted,
            "MESSAGE_TOO_LARGE",
            format!("the message is larger than the limit of {MAX_MESSAGE_BYTES} bytes"),
        ),
        _ => return response,
    };
    Status::from(Fault {
        code,
        reason,
        message,
        remedy: None,
        retry_after: None,
    })
    .into_http()
}

/// Keeps a call open, and a stream's place, until the answer is sent whole or its caller loses their standing.
struct HeldOpen {
    measured: Call,
    standing: Standing,
    _open: OpenCall,
    _place: Option<Place>,
}

impl Watch for HeldOpen {
    fn passes(&mut self, next: Option<&Result<Frame<Bytes>, Status>>) -> Result<(), Status> {
        if let Some(Ok(frame)) = next {
            self.measured.sent(frame);
        }
        Ok(())
    }

    fn cuts(&mut self, cx: &mut Context<'_>) -> Poll<Last> {
        self.standing.poll_lapse(cx).map(|lapsed| trailers(&lapsed))
    }

    fn waits(&mut self, cx: &mut Context<'_>) -> Poll<Last> {
        self.standing.waits(cx).map(|lapsed| trailers(&lapsed))
    }
}

/// A status as answers that have begun end with it.
fn trailers(status: &Status) -> Last {
    let mut headers = HeaderMap::new();
    let added = status.add_header(&mut headers);
    Some(added.map(|()| Frame::trailers(headers)))
}

/// Counts the bytes of a request against the budget until it is read and dropped, as long as its caller may send them.
struct Arriving {
    taken: usize,
    budget: Arc<AtomicUsize>,
    standing: Standing,
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.budget.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

impl Watch for Arriving {
    fn passes(&mut self, next: Option<&Result<Frame<Bytes>, Status>>) -> Result<(), Status> {
        let Some(bytes) = data_bytes(next) else {
            return Ok(());
        };
        self.taken += bytes;
        if self.budget.fetch_add(bytes, Ordering::Relaxed) + bytes > MAX_BODY_BYTES {
            return Err(places::too_many_bytes());
        }
        Ok(())
    }

    fn cuts(&mut self, cx: &mut Context<'_>) -> Poll<Last> {
        self.standing.poll_lapse(cx).map(|lapsed| Some(Err(lapsed)))
    }

    fn waits(&mut self, cx: &mut Context<'_>) -> Poll<Last> {
        self.standing.waits(cx).map(|lapsed| Some(Err(lapsed)))
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
