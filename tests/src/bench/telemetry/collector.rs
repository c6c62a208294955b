//! A collector that takes every span and keeps none: what exporting costs the service, not what keeping costs.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// A running collector. Dropping it stops it.
pub(super) struct Collector {
    address: String,
    exports: Arc<AtomicU64>,
    served: JoinHandle<()>,
}

impl Collector {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("the loopback has a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let exports = Arc::<AtomicU64>::default();
        let server = Server::builder().add_service(DiscardSpans(Arc::clone(&exports)));
        let served = tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            server
                .serve_with_incoming(incoming)
                .await
                .expect("the collector serves");
        });
        Self {
            address: format!("http://{address}"),
            exports,
            served,
        }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Batches taken until now.
    pub(super) fn exports(&self) -> u64 {
        self.exports.load(Ordering::Relaxed)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.served.abort();
    }
}

/// `TraceService` with messages whose fields are not read: protobuf skips what it does not know.
#[derive(Clone)]
struct DiscardSpans(Arc<AtomicU64>);

impl NamedService for DiscardSpans {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl Service<http::Request<Body>> for DiscardSpans {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<(), ()>::default());
            Ok(grpc.unary(Accepted, request).await)
        })
    }
}

struct Accepted;

impl UnaryService<()> for Accepted {
    type Response = ();
    type Future = BoxFuture<Response<()>, Status>;

    fn call(&mut self, _: Request<()>) -> Self::Future {
        Box::pin(async { Ok(Response::new(())) })
    }
}
