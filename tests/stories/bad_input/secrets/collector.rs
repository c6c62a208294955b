//! A collector of spans that keeps the bytes of all messages as they came, and reads none.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use shim_tests::raw::Verbatim;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// The collector. Dropped, it is gone.
pub(super) struct Collector {
    endpoint: String,
    kept: ReceivedBytes,
    serving: JoinHandle<()>,
}

impl Collector {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let kept = ReceivedBytes::default();
        let server = Server::builder().add_service(Receiver(kept.clone()));
        let serving = tokio::spawn(async move {
            let incoming = TcpIncoming::from(listener);
            server.serve_with_incoming(incoming).await.unwrap();
        });
        Self {
            endpoint,
            kept,
            serving,
        }
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// All that came, one message after the other.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.kept.0.lock().unwrap().clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[derive(Debug, Clone, Default)]
struct ReceivedBytes(Arc<Mutex<Vec<u8>>>);

impl UnaryService<Bytes> for ReceivedBytes {
    type Response = Bytes;
    type Future = Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        self.0.lock().unwrap().extend(request.into_inner());
        // An empty message says that all was taken.
        ready(Ok(Response::new(Bytes::new())))
    }
}

/// The service of OTLP for spans, as far as bytes go.
#[derive(Debug, Clone)]
struct Receiver(ReceivedBytes);

impl NamedService for Receiver {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl Service<http::Request<Body>> for Receiver {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let kept = self.0.clone();
        let answer = async move {
            let mut grpc = Grpc::new(Verbatim).max_decoding_message_size(usize::MAX);
            Ok(grpc.unary(kept, request).await)
        };
        answer.boxed()
    }
}
