//! Streamable HTTP: the same server at `/mcp` for clients that are not started with it.
//!
//! Host and Origin are checked by rmcp against DNS rebinding; a bearer token is asked for if one is configured, and an
//! address others can reach is refused without one. Who calls goes along with the request, for the tools to ask what
//! the caller may do. Who gets a connection at all is the [`listener`]'s business.

mod listener;

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use shim_runtime::auth::{Auth, AuthGrant, Caller, Peer, Role};
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::limits::{Limiter, Limits};
use shim_runtime::server::{Connection, end_on_revocation};
use shim_runtime::service_error::ServiceError;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::body::Body;

use crate::gateway::Gateway;
use crate::server::McpServer;

use listener::HttpListener;

const PATH: &str = "/mcp";
/// Requests in flight get this long to finish once the shutdown began.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a connection may take over a request's headers, counted from its beginning or from the answer before: no
/// token is seen until they are there.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The headers of one request; bodies are read in pieces of this size at most.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Who speaks HTTP/2 and is silent is asked whether they are there; hyper waits 20 s for the answer.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);

type McpService = StreamableHttpService<McpServer, LocalSessionManager>;

/// Who may use the endpoint, and how often.
pub(crate) struct Admission {
    auth: Auth,
    limiter: Limiter,
    connections: usize,
}

impl Admission {
    pub(crate) fn new(auth: Auth, limits: Limits) -> Self {
        Self {
            auth,
            connections: limits.connections,
            limiter: Limiter::new(limits),
        }
    }

    /// Bodies are bounded by the MCP server, so only calls are counted here.
    fn admit<B>(&self, request: &Request<B>, peer: Peer) -> Result<Caller, ServiceError> {
        let shown = request
            .headers()
            .get(header::AUTHORIZATION)
            .map(HeaderValue::as_bytes);
        let caller = self.auth.authenticate(shown, peer, SystemTime::now())?;
        self.limiter.admit(&caller, Instant::now())?;
        Ok(caller)
    }
}

/// The endpoint as one connection sees it.
#[derive(Clone)]
struct Endpoint {
    mcp: McpService,
    admission: Arc<Admission>,
    peer: Peer,
}

/// Serves until the shutdown begins.
pub(crate) async fn serve(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    admission: Admission,
    shutdown: Shutdown,
) {
    let streams = CancellationToken::new();
    let mut config = StreamableHttpServerConfig::default().with_cancellation_token(streams.clone());
    if let Ok(address) = listener.local_addr().map(|address| address.ip()) {
        config.allowed_hosts.push(address.to_string());
    }
    let factory = move || Ok(McpServer::new(gateway.clone()));
    let mcp = StreamableHttpService::new(factory, Arc::new(LocalSessionManager::default()), config);
    let listener = HttpListener::new(listener, admission.connections);
    let auth = admission.auth.clone();
    let endpoint = Endpoint {
        mcp,
        admission: Arc::new(admission),
        peer: Peer::Address(None),
    };
    let connections = GracefulShutdown::new();
    let serving = async {
        loop {
            match listener.accept().await {
                Ok((connection, peer)) => {
                    spawn_connection(&endpoint, connection, peer, &connections);
                }
                Err(error) => tracing::warn!("a connection could not be accepted: {error}"),
            }
        }
    };
    tokio::select! {
        () = serving => {}
        never = auth.keep_polling() => match never {},
        () = shutdown.wait() => {}
    }
    drop(listener);
    streams.cancel();
    if tokio::time::timeout(DRAIN_TIMEOUT, connections.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests were still open after {DRAIN_TIMEOUT:?}; leaving them");
    }
}

/// Serves one connection in a task that ends with it or with the drain.
fn spawn_connection(
    endpoint: &Endpoint,
    connection: Connection,
    peer: SocketAddr,
    connections: &GracefulShutdown,
) {
    let service = TowerToHyperService::new(Endpoint {
        peer: Peer::Address(Some(peer.ip())),
        ..endpoint.clone()
    });
    let connection = server()
        .serve_connection(TokioIo::new(connection), service)
        .into_owned();
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%peer, "connection ended: {error}");
        }
    });
}

/// Without a timer hyper has no limits of time.
fn server() -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE_INTERVAL);
    server
}

impl<B> tower::Service<Request<B>> for Endpoint
where
    B: tonic::codegen::Body + Send + 'static,
    B::Data: Send + 'static,
    B::Error: std::fmt::Display,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let endpoint = self.clone();
        Box::pin(async move { Ok(endpoint.answer(request).await) })
    }
}

impl Endpoint {
    async fn answer<B>(self, mut request: Request<B>) -> Response<Body>
    where
        B: tonic::codegen::Body + Send + 'static,
        B::Data: Send + 'static,
        B::Error: std::fmt::Display,
    {
        let caller = match self.admission.admit(&request, self.peer) {
            Ok(caller) => caller,
            Err(fault) => return refusal_response(&fault),
        };
        let grant = caller.grant(Role::Read);
        // The tools look it up among the request's parts.
        request.extensions_mut().insert(caller);
        if request.uri().path() != PATH {
            return plain(StatusCode::NOT_FOUND, "the MCP endpoint is /mcp\n");
        }
        let answer = tokio::select! {
            // What is done is answered, whatever became of the token meanwhile.
            biased;
            answer = self.mcp.handle(request) => answer,
            fault = revoked(&self.admission.auth, grant) => return refusal_response(&fault),
        };
        answer.map(|body| end_on_revocation(Body::new(body), &self.admission.auth, grant))
    }
}

/// Waits until the caller is let in no more; for ever if they showed no token.
async fn revoked(auth: &Auth, grant: Option<AuthGrant>) -> ServiceError {
    match grant {
        Some(grant) => auth.revoked(grant).await,
        None => pending().await,
    }
}

/// A fault in the words of HTTP (RFC 9110, 10.2.3 and 11.6.1).
fn refusal_response(fault: &ServiceError) -> Response<Body> {
    let text = match &fault.remedy {
        Some(remedy) => format!("{}: {}; {remedy}\n", fault.reason, fault.message),
        None => format!("{}: {}\n", fault.reason, fault.message),
    };
    let status = match fault.code {
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::FORBIDDEN,
    };
    let mut response = plain(status, text);
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(wait) = fault.retry_after {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn plain(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(Body::new(text.into()));
    *response.status_mut() = status;
    response
}
