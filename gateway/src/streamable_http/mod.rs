//! Streamable HTTP: the same server at `/mcp` for clients that are not started with it.
//!
//! [`web_access`] refuses pages of unknown origins and unknown names of this server, before anything else. A bearer token
//! is required: a configured one, else, on loopback, the data folder's, unless the port is declared open. The caller travels
//! with the request, so that a tool can check the caller's role. The [`listener`] bounds the connections, [`body`] reads the
//! messages.

mod body;
mod listener;
mod refusal;
mod sessions;
mod web_access;

use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use http::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use shim_runtime::auth::{self, Auth, AuthGrant, Caller, Peer, Role};
use shim_runtime::background::BackgroundTasks;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::limits::{Limiter, Limits};
use shim_runtime::server::end_on_revocation;
use shim_runtime::service_error::ServiceError;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

use crate::gateway::Gateway;
use crate::server::McpServer;
use crate::web_names::WebNames;

use body::MAX_BODY_BYTES;
use listener::HttpListener;
use refusal::{plain, refusal_response};
use sessions::SessionTable;
use web_access::WebAccess;

const PATH: &str = "/mcp";
/// Requests in flight get this long to finish once the shutdown began.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a connection may take over a request's headers, counted from its beginning or from the answer before: no
/// token is seen until they are there.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The headers of one request; bodies are read in pieces of this size at most.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// An HTTP/2 client that is silent for this long is asked for a sign of life; hyper waits 20 s for the answer.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);

type McpService = StreamableHttpService<McpServer, SessionTable>;

/// The callers that are let in, and how often each may call.
pub(crate) struct Admission {
    auth: Auth,
    limiter: Limiter,
    connections: usize,
    sessions: Arc<SessionTable>,
}

impl Admission {
    pub(crate) fn new(auth: Auth, limits: Limits) -> Self {
        Self {
            auth,
            connections: limits.connections,
            sessions: Arc::new(SessionTable::new(&limits)),
            limiter: Limiter::new(limits),
        }
    }

    /// Bodies are bounded where they are read, so only calls are counted here.
    fn admit<B>(&self, request: &Request<B>, peer: Peer) -> Result<Caller, ServiceError> {
        let shown = auth::shown(request.headers());
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
    web: Arc<WebAccess>,
    peer: Peer,
}

/// Serves until the shutdown begins, then drains.
pub(crate) async fn serve(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    (admission, names): (Admission, WebNames),
    shutdown: Shutdown,
) {
    let bound = listener.local_addr().ok().map(|address| address.ip());
    let streams = CancellationToken::new();
    let mcp = mcp_service(gateway, &admission, &streams);
    let tasks = BackgroundTasks::new("http", &shutdown);
    let listener = HttpListener::new(listener, admission.connections, tasks.clone());
    let auth = admission.auth.clone();
    let endpoint = Endpoint {
        mcp,
        admission: Arc::new(admission),
        web: Arc::new(WebAccess::new(names, bound)),
        peer: Peer::Address(None),
    };
    let connections = GracefulShutdown::new();
    tokio::select! {
        never = endpoint.accept(&listener, &connections, &tasks) => match never {},
        never = auth.keep_polling() => match never {},
        () = shutdown.wait() => {}
    }
    drop(listener);
    streams.cancel();
    let drained = async {
        connections.shutdown().await;
        tasks.finish().await;
    };
    if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
        tracing::warn!("requests were still open after {DRAIN_TIMEOUT:?}; leaving them");
    }
}

/// The MCP server of all connections; `streams` ends their open streams.
fn mcp_service(
    gateway: Arc<Gateway>,
    admission: &Admission,
    streams: &CancellationToken,
) -> McpService {
    // rmcp looks at Host alone; both were judged before.
    let config = StreamableHttpServerConfig::default()
        .with_cancellation_token(streams.clone())
        .with_max_request_body_bytes(MAX_BODY_BYTES)
        .disable_allowed_hosts();
    let factory = move || Ok(McpServer::new(gateway.clone()));
    StreamableHttpService::new(factory, admission.sessions.clone(), config)
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
    /// Serves every connection that is accepted, each in a task that ends with it or with the drain.
    async fn accept(
        &self,
        listener: &HttpListener,
        connections: &GracefulShutdown,
        tasks: &BackgroundTasks,
    ) -> Infallible {
        loop {
            let (connection, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!("a connection could not be accepted: {error}");
                    continue;
                }
            };
            let service = TowerToHyperService::new(Self {
                peer: Peer::Address(Some(peer.ip())),
                ..self.clone()
            });
            let connection = server()
                .serve_connection(TokioIo::new(connection), service)
                .into_owned();
            let connection = connections.watch(connection);
            tasks.spawn_contained("http_connection", async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%peer, "connection ended: {error}");
                }
            });
        }
    }

    /// A page of a known origin may read the answer; one of an unknown origin gets no further.
    async fn answer<B>(self, request: Request<B>) -> Response<Body>
    where
        B: tonic::codegen::Body + Send + 'static,
        B::Data: Send + 'static,
        B::Error: std::fmt::Display,
    {
        let page = match self.web.admit(&request) {
            Ok(None) => return self.answer_admitted(request).await,
            Ok(Some(page)) => page,
            Err(refused) => return *refused,
        };
        if let Some(preflight) = page.preflight(&request) {
            return preflight;
        }
        let mut answer = self.answer_admitted(request).await;
        page.mark(answer.headers_mut());
        answer
    }

    async fn answer_admitted<B>(self, mut request: Request<B>) -> Response<Body>
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
        request.extensions_mut().insert(caller.clone());
        if request.uri().path() != PATH {
            return plain(StatusCode::NOT_FOUND, "the MCP endpoint is /mcp\n");
        }
        let answered = async {
            match body::read(request).await {
                Ok(request) => {
                    let sessions = &self.admission.sessions;
                    sessions::answer(sessions, &caller, request, |request| {
                        self.mcp.handle(request)
                    })
                    .await
                }
                Err(refusal) => refusal,
            }
        };
        let answer = tokio::select! {
            // What is done is answered, whatever became of the token meanwhile.
            biased;
            answer = answered => answer,
            fault = revoked(&self.admission.auth, grant) => return refusal_response(&fault),
        };
        answer.map(|body| end_on_revocation(body, &self.admission.auth, grant))
    }
}

/// Waits until the caller's token is revoked; for ever if the caller showed none.
async fn revoked(auth: &Auth, grant: Option<AuthGrant>) -> ServiceError {
    match grant {
        Some(grant) => auth.revoked(grant).await,
        None => pending().await,
    }
}
