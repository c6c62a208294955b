//! HTTP probes for orchestrators and monitors: `/healthz` while the process lives, `/readyz` while all services can
//! serve, else 503 with a line for each that cannot.
//!
//! Probes ask for no token and change nothing. Each connection answers one request, so none can be held open for long.

use std::convert::Infallible;
use std::time::Duration;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tonic::body::Body;

use crate::lifecycle::Shutdown;
use crate::server::Readiness;

/// A request and its answer take this long at most.
const LIMIT: Duration = Duration::from_secs(5);
/// More at once are no probes; they wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 32;
/// A listener out of file descriptors fails at once each time; this keeps it from spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers probes until dropped, and thus through the drain, too.
pub(crate) async fn serve(listener: TcpListener, readiness: Readiness, shutdown: Shutdown) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, readiness.clone(), shutdown.clone()));
                }
                Err(error) => {
                    tracing::warn!("a probe could not be accepted: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, readiness: Readiness, shutdown: Shutdown) {
    let service = tower::service_fn(move |request: Request<_>| {
        let answer = answer(&request, &readiness, &shutdown);
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let mut server = auto::Builder::new(TokioExecutor::new()).http1_only();
    server.http1().keep_alive(false);
    let connection =
        server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    match tokio::time::timeout(LIMIT, connection).await {
        Ok(Err(error)) => tracing::debug!("a probe ended: {error}"),
        Err(_late) => tracing::debug!("a probe took longer than {LIMIT:?}"),
        Ok(Ok(())) => {}
    }
}

fn answer<B>(request: &Request<B>, readiness: &Readiness, shutdown: &Shutdown) -> Response<Body> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return plain(
            StatusCode::METHOD_NOT_ALLOWED,
            "probes are asked with GET\n",
        );
    }
    match request.uri().path() {
        "/healthz" => plain(StatusCode::OK, "alive\n"),
        "/readyz" if shutdown.is_begun() => plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        "/readyz" => ready(readiness),
        "/metrics" => plain(
            StatusCode::NOT_FOUND,
            "this build has no metrics; /healthz and /readyz are here\n",
        ),
        _ => plain(
            StatusCode::NOT_FOUND,
            "the probes are /healthz and /readyz\n",
        ),
    }
}

fn ready(readiness: &Readiness) -> Response<Body> {
    let unready = readiness.unready();
    if unready.is_empty() {
        return plain(StatusCode::OK, "ready\n");
    }
    let lines = unready
        .iter()
        .map(|(service, reason)| format!("{service}: {reason}\n"));
    plain(StatusCode::SERVICE_UNAVAILABLE, lines.collect::<String>())
}

fn plain(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(Body::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const STATE: &str = "shim.coordination.v1.StateService";

    async fn ask(address: std::net::SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{request} HTTP/1.1\r\nhost: probe\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_probe_tells_who_cannot_serve_and_why() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (readiness, shutdown) = (Readiness::default(), Shutdown::new());
        let probes = tokio::spawn(serve(listener, readiness.clone(), shutdown.clone()));

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
        probes.abort();
    }

    #[tokio::test]
    async fn what_is_no_probe_is_refused_in_words() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let probes = tokio::spawn(serve(listener, Readiness::default(), Shutdown::new()));
        for (request, code) in [
            ("GET /metrics", "404"),
            ("GET /", "404"),
            ("POST /healthz", "405"),
        ] {
            let answer = ask(address, request).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {code}")),
                "{request}: {answer}"
            );
        }
        assert!(ask(address, "nonsense").await.starts_with("HTTP/1.1 400"));
        probes.abort();
    }
}
