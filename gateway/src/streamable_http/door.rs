//! Who gets a connection: as many as there are places for. Whoever comes when all are taken is told so and when to come
//! back, as long as those are few; beyond, they are hung up on.

use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use shim_runtime::fault::Fault;
use shim_runtime::server::{Arrival, Connection, Connections};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tonic::Code;
use tonic::body::Body;

use super::refused;

/// How many are told at once that there is no place.
const DOORSTEP: usize = 64;
/// How long that may take.
const TOLD_WITHIN: Duration = Duration::from_secs(2);
/// Clients of MCP stay for long.
const COME_BACK_AFTER: Duration = Duration::from_secs(5);

/// The way in.
pub(super) struct Door {
    connections: Connections,
    doorstep: Arc<Semaphore>,
}

impl Door {
    /// For at most `limit` connections at once.
    pub(super) fn new(listener: TcpListener, limit: usize) -> Self {
        Self {
            connections: Connections::new(listener, limit),
            doorstep: Arc::new(Semaphore::new(DOORSTEP)),
        }
    }

    /// The next connection that has a place.
    pub(super) async fn next(&self) -> std::io::Result<(Connection, SocketAddr)> {
        loop {
            match self.connections.next().await? {
                Arrival::In(connection, peer) => return Ok((connection, peer)),
                Arrival::Full(stream) => self.turn_away(stream),
            }
        }
    }

    fn turn_away(&self, stream: TcpStream) {
        let Ok(step) = Arc::clone(&self.doorstep).try_acquire_owned() else {
            return;
        };
        let service = tower::service_fn(|_: Request<_>| ready(Ok::<_, Infallible>(full())));
        let told = async move {
            let mut server = auto::Builder::new(TokioExecutor::new()).http1_only();
            server.http1().keep_alive(false);
            let service = TowerToHyperService::new(service);
            let telling = server.serve_connection(TokioIo::new(stream), service);
            // Whoever does not listen needs not know.
            let _ = tokio::time::timeout(TOLD_WITHIN, telling).await;
            drop(step);
        };
        tokio::spawn(told);
    }
}

fn full() -> Response<Body> {
    let mut response = refused(&Fault {
        code: Code::ResourceExhausted,
        reason: "OVERLOADED",
        message: "too many connections are open".into(),
        remedy: Some("try again after the delay given".into()),
        retry_after: Some(COME_BACK_AFTER),
    });
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}
