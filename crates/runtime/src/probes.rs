//! HTTP for orchestrators and monitors: `/healthz` while the process lives, `/readyz` while all services can serve, else
//! 503 with a line for each that cannot, and `/metrics` for Prometheus.
//!
//! Probes ask for no token and change nothing; metrics ask for one where others can reach them, unless they are declared
//! open. Each connection answers one request, so none can be held open for long.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tonic::body::Body;

use crate::auth::{Auth, Peer};
use crate::lifecycle::Shutdown;
use crate::metrics::{self, Exposition};
use crate::server::Readiness;

/// A request and its answer take this long at most.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// More at once are no probes; they wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 32;
/// A listener out of file descriptors fails at once each time; this keeps it from spinning.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// Values of histograms wait for their buckets so long, at 8 bytes each.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// What Prometheus reads (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
const EXPOSITION: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The listener of the probes. Having one is what makes a process count and measure.
#[derive(Debug)]
pub struct Probes {
    listener: TcpListener,
    metrics: Exposition,
    /// Whether `/metrics` asks for no token.
    open: bool,
}

/// What every answer may need.
struct ProbeState {
    metrics: Exposition,
    open: bool,
    auth: Auth,
    readiness: Readiness,
    shutdown: Shutdown,
}

impl Probes {
    /// Binds at `address`, which may be one that others reach: the probes tell only whether the services can serve, and
    /// the metrics ask for a token there unless they are `open`.
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

    /// Where it listens.
    ///
    /// # Errors
    /// If the system cannot tell.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until dropped, and thus through the drain, too.
    pub async fn serve(self, readiness: Readiness, auth: Auth, shutdown: Shutdown) -> Infallible {
        let Self {
            listener,
            metrics,
            open,
        } = self;
        let state = Arc::new(ProbeState {
            metrics,
            open,
            auth,
            readiness,
            shutdown,
        });
        let mut connections = JoinSet::new();
        let mut upkeep = tokio::time::interval(UPKEEP_INTERVAL);
        loop {
            tokio::select! {
                accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                    Ok((stream, peer)) => {
                        connections.spawn(serve_connection(stream, peer.ip(), Arc::clone(&state)));
                    }
                    Err(error) => {
                        tracing::warn!("a probe could not be accepted: {error}");
                        tokio::time::sleep(ACCEPT_BACKOFF).await;
                    }
                },
                Some(_) = connections.join_next() => {}
                _ = upkeep.tick() => state.metrics.run_upkeep(),
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, from: IpAddr, state: Arc<ProbeState>) {
    let service = tower::service_fn(move |request: Request<_>| {
        let answer = state.respond(&request, from);
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let mut server = auto::Builder::new(TokioExecutor::new()).http1_only();
    server.http1().keep_alive(false);
    let connection =
        server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    match tokio::time::timeout(REQUEST_TIMEOUT, connection).await {
        Ok(Err(error)) => tracing::debug!("a probe ended: {error}"),
        Err(_late) => tracing::debug!("a probe took longer than {REQUEST_TIMEOUT:?}"),
        Ok(Ok(())) => {}
    }
}

impl ProbeState {
    fn respond<B>(&self, request: &Request<B>, from: IpAddr) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "probes are asked with GET\n",
            );
        }
        match request.uri().path() {
            "/healthz" => plain(StatusCode::OK, "alive\n"),
            "/readyz" if self.shutdown.is_begun() => {
                plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
            }
            "/readyz" => readiness_response(&self.readiness),
            "/metrics" => match self.refuse_metrics(request, from) {
                Some(refused) => refused,
                None => text(StatusCode::OK, EXPOSITION, self.metrics.render()),
            },
            _ => plain(
                StatusCode::NOT_FOUND,
                "here are /healthz, /readyz and /metrics\n",
            ),
        }
    }

    /// How loaded a stack is and what it is used for is not everybody's business.
    fn refuse_metrics<B>(&self, request: &Request<B>, from: IpAddr) -> Option<Response<Body>> {
        let authenticate = |shown| {
            let peer = Peer::Address(Some(from));
            self.auth.authenticate(shown, peer, SystemTime::now())
        };
        if self.open {
            return None;
        }
        if authenticate(None).is_ok() {
            return Some(plain(
                StatusCode::FORBIDDEN,
                "metrics are shown to other machines only with auth.token_file or metrics.open = true\n",
            ));
        }
        let shown = request.headers().get(header::AUTHORIZATION);
        let error = authenticate(shown.map(HeaderValue::as_bytes)).err()?;
        let mut refused = plain(StatusCode::UNAUTHORIZED, format!("{}\n", error.message));
        refused
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Some(refused)
    }
}

fn readiness_response(readiness: &Readiness) -> Response<Body> {
    let unready = readiness.unready();
    if unready.is_empty() {
        return plain(StatusCode::OK, "ready\n");
    }
    let lines = unready
        .iter()
        .map(|(service, reason)| format!("{service}: {reason}\n"));
    plain(StatusCode::SERVICE_UNAVAILABLE, lines.collect::<String>())
}

fn plain(status: StatusCode, body: impl Into<String>) -> Response<Body> {
    text(status, TEXT, body.into())
}

fn text(status: StatusCode, kind: HeaderValue, body: String) -> Response<Body> {
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
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
