//! The bound on connections. A client beyond the bound is answered 503 with the time to come back; beyond
//! [`MAX_REJECTIONS`] such answers at once, connections are closed without one.

use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use shim_proto::reasons::OVERLOADED;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::server::{AcceptOutcome, Connection, Connections};
use shim_runtime::service_error::ServiceError;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tonic::Code;
use tonic::body::Body;

use super::refusal::refusal_response;

/// Rejections that are written at once.
const MAX_REJECTIONS: usize = 64;
/// How long writing one rejection may take.
const REJECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Clients of MCP stay for long.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The way in.
pub(super) struct HttpListener {
    connections: Connections,
    rejections: Arc<Semaphore>,
    tasks: BackgroundTasks,
}

impl HttpListener {
    /// For at most `limit` connections at once.
    pub(super) fn new(listener: TcpListener, limit: usize, tasks: BackgroundTasks) -> Self {
        Self {
            connections: Connections::new(listener, limit),
            rejections: Arc::new(Semaphore::new(MAX_REJECTIONS)),
            tasks,
        }
    }

    /// The next connection that has a place.
    pub(super) async fn accept(&self) -> std::io::Result<(Connection, SocketAddr)> {
        loop {
            match self.connections.next().await? {
                AcceptOutcome::Accepted(connection, peer) => return Ok((connection, peer)),
                AcceptOutcome::AtLimit(stream) => self.reject(stream),
            }
        }
    }

    fn reject(&self, stream: TcpStream) {
        let Ok(permit) = Arc::clone(&self.rejections).try_acquire_owned() else {
            return;
        };
        let service =
            tower::service_fn(|_: Request<_>| ready(Ok::<_, Infallible>(too_many_connections())));
        let rejection = async move {
            let mut server = auto::Builder::new(TokioExecutor::new()).http1_only();
            server.http1().keep_alive(false);
            let service = TowerToHyperService::new(service);
            let sending = server.serve_connection(TokioIo::new(stream), service);
            // A client that does not read gets no answer.
            let _ = tokio::time::timeout(REJECT_TIMEOUT, sending).await;
            drop(permit);
        };
        self.tasks.spawn_contained("http_rejection", rejection);
    }
}

fn too_many_connections() -> Response<Body> {
    let mut response = refusal_response(&ServiceError {
        code: Code::ResourceExhausted,
        reason: OVERLOADED,
        message: "too many connections are open".into(),
        remedy: Some("try again after the delay given".into()),
        retry_after: Some(RETRY_AFTER),
    });
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}
