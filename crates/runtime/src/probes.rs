//! HTTP for orchestrators and monitors: `/healthz` while the process lives, `/readyz` while all services can serve, else
//! 503 with a line for each that cannot, and `/metrics` for Prometheus.
//!
//! Probes need no token and change nothing; `/metrics` needs one if other machines can reach it, unless it is declared
//! open. Each connection carries one request and lasts five seconds at most, 32 at once: axum routes the requests, and
//! the accept loop here keeps these bounds, which `axum::serve` does not have.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Extension;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use shim_render::text;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::auth::{Auth, Peer, shown};
use crate::background::BackgroundTasks;
use crate::lifecycle::Shutdown;
use crate::metrics::{self, Exposition};
use crate::server::Readiness;

/// A request and its answer take this long at most.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections above this number wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 32;
/// A listener out of file descriptors fails at once each time; this keeps it from spinning.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// How long values of histograms wait for their buckets, at 8 bytes each.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// What Prometheus reads (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
const EXPOSITION: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The listener of the probes. Only a process with one counts and measures.
#[derive(Debug)]
pub struct Probes {
    listener: TcpListener,
    metrics: Exposition,
    /// Whether `/metrics` needs no token.
    open: bool,
}

/// What the answers depend on.
struct ProbeState {
    metrics: Exposition,
    open: bool,
    auth: Auth,
    readiness: Readiness,
    shutdown: Shutdown,
}

impl Probes {
    /// Binds at `address`, which other machines may reach: the probes say only whether the services can serve, and
    /// `/metrics` needs a token there unless it is `open`.
    ///
    /// # Errors
    /// If it cannot be bound.
    pub async fn bind(address: SocketAddr, open: bool) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self {
            open: open || listener.local_addr()?.ip().is_loopback(),
            listener,
            metrics: metrics::install(),
        })
    }

    /// The bound address.
    ///
    /// # Errors
    /// If the system does not know it.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until dropped, and thus through the drain, too.
    pub async fn serve(self, readiness: Readiness, auth: Auth, shutdown: Shutdown) -> Infallible {
        let exposition = self.metrics.clone();
        // Not waited for at the end: a connection lasts five seconds at most.
        let connections = BackgroundTasks::new("probes", &shutdown);
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let router = router(ProbeState {
            metrics: self.metrics,
            open: self.open,
            auth,
            readiness,
            shutdown,
        });
        let mut upkeep = tokio::time::interval(UPKEEP_INTERVAL);
        loop {
            tokio::select! {
                accepted = accept(&self.listener, &slots) => match accepted {
                    Ok((stream, peer, slot)) => {
                        let router = router.clone().layer(Extension(peer.ip()));
                        connections.spawn_contained("probe", async move {
                            serve_connection(stream, router).await;
                            drop(slot);
                        });
                    }
                    Err(error) => {
                        tracing::warn!("a probe could not be accepted: {error}");
                        tokio::time::sleep(ACCEPT_BACKOFF).await;
                    }
                },
                _ = upkeep.tick() => exposition.run_upkeep(),
            }
        }
    }
}

/// The next connection, once there is a slot for it.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await;
    let slot = slot.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, slot))
}

async fn serve_connection(stream: TcpStream, router: Router) {
    let mut server = auto::Builder::new(TokioExecutor::new()).http1_only();
    server.http1().keep_alive(false);
    let connection =
        server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match tokio::time::timeout(REQUEST_TIMEOUT, connection).await {
        Ok(Err(error)) => tracing::debug!("a probe ended: {error}"),
        Err(_late) => tracing::debug!("a probe took longer than {REQUEST_TIMEOUT:?}"),
        Ok(Ok(())) => {}
    }
}

fn router(state: ProbeState) -> Router {
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(exposition))
        .fallback(no_probe)
        .method_not_allowed_fallback(no_probe)
        .with_state(Arc::new(state))
}

async fn no_probe(method: Method) -> (StatusCode, &'static str) {
    if matches!(method, Method::GET | Method::HEAD) {
        (
            StatusCode::NOT_FOUND,
            "here are /healthz, /readyz and /metrics\n",
        )
    } else {
        (
            StatusCode::METHOD_NOT_ALLOWED,
            "probes are asked with GET\n",
        )
    }
}

async fn readyz(State(state): State<Arc<ProbeState>>) -> (StatusCode, String) {
    if state.shutdown.is_begun() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned());
    }
    let unready = state.readiness.unready();
    if unready.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let lines = unready
        .iter()
        .map(|(service, reason)| format!("{service}: {}\n", text::line(reason)));
    (StatusCode::SERVICE_UNAVAILABLE, lines.collect())
}

async fn exposition(
    State(state): State<Arc<ProbeState>>,
    Extension(from): Extension<IpAddr>,
    headers: HeaderMap,
) -> Response {
    match state.refuse_metrics(&headers, from) {
        Some(refused) => refused,
        None => ([(header::CONTENT_TYPE, EXPOSITION)], state.metrics.render()).into_response(),
    }
}

impl ProbeState {
    /// The load of a stack and its use are not public.
    fn refuse_metrics(&self, headers: &HeaderMap, from: IpAddr) -> Option<Response> {
        let authenticate = |shown| {
            let peer = Peer::Address(Some(from));
            self.auth.authenticate(shown, peer, SystemTime::now())
        };
        if self.open {
            return None;
        }
        if authenticate(None).is_ok() {
            let message = "metrics are shown to other machines only with auth.token_file or metrics.open = true\n";
            return Some((StatusCode::FORBIDDEN, message).into_response());
        }
        let error = authenticate(shown(headers)).err()?;
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
        let message = format!("{}\n", text::line(&error.message));
        Some((StatusCode::UNAUTHORIZED, challenge, message).into_response())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::auth::TokenFile;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::JoinHandle;

    const STATE: &str = "shim.coordination.v1.StateService";
    const TOKEN: &str = "0123456789abcdef";

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (line, headers) = request.split_once('\n').unwrap_or((request, ""));
        let request = format!("{line} HTTP/1.1\r\nhost: probe\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn probes(address: &str, open: bool) -> Probes {
        Probes::bind(address.parse().unwrap(), open).await.unwrap()
    }

    fn serve(probes: Probes, auth: Auth) -> (SocketAddr, JoinHandle<Infallible>) {
        let port = probes.address().unwrap().port();
        let served = probes.serve(Readiness::default(), auth, Shutdown::new());
        (([127, 0, 0, 1], port).into(), tokio::spawn(served))
    }

    fn with_token() -> Auth {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::fs::write(&path, format!("{TOKEN} role=read\n")).unwrap();
        Auth::new(Some(TokenFile::open(&path).unwrap()))
    }

    #[tokio::test]
    async fn readyz_names_the_services_that_cannot_serve_and_why() {
        let probes = probes("127.0.0.1:0", false).await;
        let address = probes.address().unwrap();
        let (readiness, shutdown) = (Readiness::default(), Shutdown::new());
        let serving = probes.serve(readiness.clone(), Auth::default(), shutdown.clone());
        let serving = tokio::spawn(serving);

        assert!(
            ask(address, "GET /readyz")
                .await
                .starts_with("HTTP/1.1 200")
        );
        readiness.set(STATE, Err("Redis cannot be reached".into()));
        let unready = ask(address, "GET /readyz").await;
        assert!(unready.starts_with("HTTP/1.1 503"), "{unready}");
        assert!(
            unready.ends_with("shim.coordination.v1.StateService: Redis cannot be reached\n"),
            "{unready}"
        );
        assert!(
            ask(address, "GET /healthz")
                .await
                .starts_with("HTTP/1.1 200")
        );
        readiness.set(STATE, Ok(()));
        assert!(ask(address, "GET /readyz").await.ends_with("ready\n"));
        shutdown.begin();
        assert!(ask(address, "GET /readyz").await.ends_with("draining\n"));
        serving.abort();
    }

    #[tokio::test]
    async fn what_is_no_probe_is_refused_with_a_message() {
        let (address, serving) = serve(probes("127.0.0.1:0", false).await, Auth::default());
        for (request, code) in [("GET /", "404"), ("POST /metrics", "405")] {
            let answer = ask(address, request).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {code}")),
                "{request}: {answer}"
            );
        }
        assert!(ask(address, "nonsense").await.starts_with("HTTP/1.1 400"));
        serving.abort();
    }

    #[tokio::test]
    async fn metrics_are_shown_as_prometheus_reads_them() {
        let (address, serving) = serve(probes("127.0.0.1:0", false).await, with_token());
        let response = ask(address, "GET /metrics").await;
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
        assert!(
            response.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
            "{response}"
        );
        let built = format!(
            "shim_build_info{{version=\"{}\"}} 1\n",
            env!("CARGO_PKG_VERSION")
        );
        assert!(response.contains("# TYPE shim_build_info gauge\n") && response.contains(&built));
        serving.abort();
    }

    #[tokio::test]
    async fn metrics_that_others_reach_ask_for_a_token_unless_they_are_open() {
        let scrape = "GET /metrics";
        let shown = format!("GET /metrics\nauthorization: Bearer {TOKEN}\r\n");
        for (open, auth, request, code) in [
            (false, Auth::default(), scrape, "403"),
            (false, Auth::default(), &shown, "403"),
            (true, Auth::default(), scrape, "200"),
            (false, with_token(), scrape, "401"),
            (
                false,
                with_token(),
                "GET /metrics\nauthorization: Bearer no\r\n",
                "401",
            ),
            (false, with_token(), &shown, "200"),
            (true, with_token(), scrape, "200"),
            (false, with_token(), "GET /healthz", "200"),
        ] {
            let (address, serving) = serve(probes("0.0.0.0:0", open).await, auth);
            let response = ask(address, request).await;
            assert!(
                response.starts_with(&format!("HTTP/1.1 {code}")),
                "{open} {request}: {response}"
            );
            serving.abort();
        }
    }
}
