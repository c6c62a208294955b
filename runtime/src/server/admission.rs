//! Who may call, what, and how often: asked before anything of a call is read.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;

use super::peer;
use crate::auth::{Auth, Caller, roles};
use crate::fault::Fault;
use crate::limits::{Limiter, Limits, Meter};

/// Everything asked of a call.
pub(super) struct Admission {
    auth: Auth,
    limiter: Limiter,
}

impl Admission {
    pub(super) fn new(auth: Auth, limits: Limits) -> Self {
        Self {
            auth,
            limiter: Limiter::new(limits),
        }
    }

    /// Lets a call in, its bytes counted to its caller.
    pub(super) fn admit(&self, request: Request<Body>) -> Result<Request<Body>, Status> {
        let caller = self.caller(&request)?;
        match self.limiter.admit(&caller, Instant::now())? {
            Some(meter) => Ok(request.map(|body| Body::new(Metered { body, meter }))),
            None => Ok(request),
        }
    }

    /// Health checks pass without a token: an orchestrator has none.
    fn caller(&self, request: &Request<Body>) -> Result<Caller, Fault> {
        let path = request.uri().path();
        let peer = peer::of(request);
        if path.starts_with("/grpc.health.v1.Health/") {
            return Ok(Caller::anybody(peer));
        }
        let shown = request
            .headers()
            .get(http::header::AUTHORIZATION)
            .map(http::HeaderValue::as_bytes);
        let caller = self.auth.identify(shown, peer, SystemTime::now())?;
        caller.allow(roles::needed(path), path)?;
        Ok(caller)
    }
}

/// A request body whose bytes count to its caller.
struct Metered {
    body: Body,
    meter: Meter,
}

impl http_body::Body for Metered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            if let Err(too_fast) = this.meter.take(bytes, Instant::now()) {
                return Poll::Ready(Some(Err(too_fast.into())));
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
