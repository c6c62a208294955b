//! Spans of gRPC calls, on the client's side and on the server's: from the request to the last byte of the answer.
//!
//! Names and attributes are those of OpenTelemetry's conventions for RPC. A message's content is never recorded.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::body_hook::{BodyHook, with_hook};
use crate::{codes, contract};

use super::context::{TRACEPARENT, TraceContext, current};
use super::span::{KeyValue, Span, TARGET};

/// The conventions' name for a path that is no method of the contract.
const OTHER: &str = "_OTHER";

/// The span of a call that a server answers, below the caller's.
pub(crate) fn server_span<B>(request: &Request<B>) -> Span {
    let parent = parent_context(request.headers());
    let path = request.uri().path();
    // Probes come every few seconds and belong to no work.
    if path.starts_with("/grpc.health.") || path.starts_with("/grpc.reflection.") {
        return Span::unrecorded(parent);
    }
    call_span(parent, "server", path)
}

fn parent_context(headers: &HeaderMap) -> Option<TraceContext> {
    TraceContext::parse(headers.get(TRACEPARENT)?.to_str().ok()?)
}

/// `kind` is one of `otel.kind`.
fn call_span(parent: Option<TraceContext>, kind: &'static str, path: &str) -> Span {
    Span::begin(parent, || {
        let method = contract::method_at(path).unwrap_or(OTHER);
        tracing::info_span!(
            target: TARGET,
            parent: None,
            "grpc",
            otel.name = method,
            otel.kind = kind,
            rpc.system.name = "grpc",
            rpc.method = method,
        )
    })
}

/// Lets a span end with the answer's last byte: a stream may go on for hours.
pub(crate) fn end_with_response(
    span: Span,
    is_server: bool,
    answer: Response<Body>,
) -> Response<Body> {
    if !span.is_recording() {
        return answer;
    }
    let mut open = OpenSpan { span, is_server };
    if let Some(code) = codes::status_of(answer.headers()) {
        open.end_with_code(code);
        return answer;
    }
    answer.map(|body| with_hook(body, TracedBody(Some(open))))
}

/// The span of a call whose status is not known yet.
struct OpenSpan {
    span: Span,
    is_server: bool,
}

impl OpenSpan {
    fn end_with_code(&mut self, code: Code) {
        let name = self.record_code(code);
        // A caller's mistake is no error of the server.
        let is_error = match code {
            Code::Ok => false,
            Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss => true,
            _ => !self.is_server,
        };
        if is_error {
            self.span.fail(name);
        }
    }

    fn record_code(&mut self, code: Code) -> &'static str {
        let name = codes::name(code);
        let status = || [KeyValue::new("rpc.response.status_code", name)];
        self.span.describe(status);
        name
    }
}

/// The call's span, which ends with the status behind the answer's last byte. A body dropped before that is a cancelled
/// call. It is no error: a watcher ends its stream so.
struct TracedBody(Option<OpenSpan>);

impl TracedBody {
    fn end(&mut self, code: Code) {
        if let Some(mut span) = self.0.take() {
            span.end_with_code(code);
        }
    }
}

impl Drop for TracedBody {
    fn drop(&mut self) {
        if let Some(mut span) = self.0.take() {
            span.record_code(Code::Cancelled);
        }
    }
}

impl BodyHook for TracedBody {
    fn on_frame(&mut self, next: Option<&Result<Frame<Bytes>, Status>>) -> Result<(), Status> {
        match next {
            Some(Ok(frame)) => {
                if let Some(code) = frame.trailers_ref().and_then(codes::status_of) {
                    self.end(code);
                }
            }
            Some(Err(status)) => self.end(status.code()),
            None => self.end(Code::Unknown),
        }
        Ok(())
    }
}

/// A connection whose calls are part of the current trace. A call outside of a trace begins none.
#[derive(Debug, Clone)]
pub struct Traced<S> {
    inner: S,
}

impl<S> Traced<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B> tower::Service<Request<Body>> for Traced<S>
where
    S: tower::Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Some(parent) = current() else {
            let answer = self.inner.call(request);
            return Box::pin(async move { Ok(answer.await?.map(Body::new)) });
        };
        let mut span = call_span(Some(parent), "client", request.uri().path());
        if let Ok(value) = HeaderValue::try_from(span.context().to_string()) {
            request.headers_mut().insert(TRACEPARENT, value);
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            match answer.await {
                Ok(answer) => Ok(end_with_response(span, false, answer.map(Body::new))),
                Err(error) => {
                    span.fail(codes::name(Code::Unavailable));
                    Err(error)
                }
            }
        })
    }
}
