//! Serving gRPC: the listeners, health and reflection, the probes beside it, and the drain at the end.
//!
//! [`layers`] has what crosses every call, [`admission`] authentication and rates, [`concurrency`] the number of calls and
//! [`connections`] the number of connections; the work of a service is in its own crate.

mod admission;
mod call_metrics;
mod caller_scope;
mod concurrency;
mod connections;
mod handshakes;
mod layers;
mod listen;
mod peer;
mod readiness;
mod revocation;

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::auth::Auth;
use crate::lifecycle::Shutdown;
use crate::limits::Limits;
use crate::metrics;
use crate::probes::Probes;
use crate::tls::ServerTls;
use call_metrics::CallMetrics;

use admission::Admission;

pub use caller_scope::current_caller;
pub use concurrency::{begin_streaming, begin_waiting};
pub use connections::{AcceptOutcome, Connection, Connections};
pub use layers::Activity;
pub use listen::{ListenError, Listeners};
pub use readiness::Readiness;
pub use revocation::end_on_revocation;

/// In-flight calls get this long to finish once the shutdown began.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A peer that vanished without closing the connection is noticed within two of these.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// The same over the Unix socket: the system tells the end of a peer there, so only one that is stopped is pinged in vain.
const LOCAL_KEEP_ALIVE: Duration = Duration::from_secs(60);

/// No connection needs more calls than the server has permits.
const MAX_STREAMS: u32 = 10_240;

/// The headers of one call, among them its trace and its token.
const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// A gRPC server that is being put together.
pub struct Server {
    routes: Routes,
    health: HealthReporter,
    names: Vec<&'static str>,
    auth: Auth,
    tls: Option<ServerTls>,
    limits: Limits,
    activity: Activity,
    readiness: Readiness,
}

/// Why a server stopped before its shutdown.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The transport failed.
    #[error("serving gRPC failed: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The contract's descriptors do not decode.
    #[error("the reflection service cannot be built: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// A background task panicked without which the process must not go on.
    #[error("{0}")]
    Background(String),
}

impl Server {
    /// A server with health and reflection (v1 and v1alpha, which older grpcurl speaks) and nothing else yet.
    ///
    /// # Errors
    /// If the descriptors of the contract cannot be read.
    pub fn new(auth: Auth) -> Result<Self, ServeError> {
        let (health, health_service) = tonic_health::server::health_reporter();
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(shim_proto::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                // With them a client that learns by reflection reads the remedy in the details of a refusal.
                .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        };
        let routes = Routes::new(health_service)
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?);
        Ok(Self {
            routes,
            health,
            names: Vec::new(),
            auth,
            tls: None,
            limits: Limits::default(),
            activity: Activity::default(),
            readiness: Readiness::default(),
        })
    }

    /// Speaks TLS on TCP.
    #[must_use]
    pub fn with_tls(self, tls: Option<ServerTls>) -> Self {
        Self { tls, ..self }
    }

    /// Limits callers to these instead of the default limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Adds a service.
    #[must_use]
    pub fn with<S>(mut self, service: S) -> Self
    where
        S: tower::Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.names.push(S::NAME);
        self.routes = self.routes.add_service(service);
        self
    }

    /// Whether there are calls; see [`Activity::idle_for`].
    #[must_use]
    pub fn activity(&self) -> Activity {
        self.activity.clone()
    }

    /// Where a service reports that it cannot serve now, or can again; see [`Readiness`].
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Serves on all listeners until the shutdown begins, then lets calls in flight finish for five seconds.
    ///
    /// # Errors
    /// If a listener fails.
    pub async fn serve(self, listeners: Listeners, shutdown: Shutdown) -> Result<(), ServeError> {
        self.readiness.report(&self.names, &self.health).await;
        metrics::init_series_for(&self.names);
        let Listeners { tcp, unix, probes } = listeners;
        let (auth, readiness) = (self.auth.clone(), self.readiness.clone());
        let on_probes = serve_probes(probes, readiness, auth.clone(), shutdown.clone());
        let deadline = drain_deadline(&self.readiness, &self.names, &self.health, &shutdown);
        let grpc = Grpc {
            routes: self.routes.prepare(),
            connections: self.limits.connections,
            admission: Admission::new(self.auth, self.limits),
            activity: self.activity,
            call_metrics: CallMetrics::of(&self.names),
            tls: self.tls,
        };
        tokio::select! {
            result = grpc.serve(tcp, unix, &shutdown) => result?,
            () = deadline => {}
            never = on_probes => match never {},
            never = auth.keep_polling() => match never {},
        }
        Ok(())
    }
}

/// Answers the probes; waits for ever if there are none.
async fn serve_probes(
    probes: Option<Probes>,
    readiness: Readiness,
    auth: Auth,
    shutdown: Shutdown,
) -> Infallible {
    match probes {
        Some(probes) => probes.serve(readiness, auth, shutdown).await,
        None => pending().await,
    }
}

/// Keeps the health up to date; once the shutdown began, reports NOT_SERVING and ends after [`DRAIN_TIMEOUT`].
async fn drain_deadline(
    readiness: &Readiness,
    names: &[&'static str],
    health: &HealthReporter,
    shutdown: &Shutdown,
) {
    tokio::select! {
        () = readiness.keep_reporting(names, health) => {}
        () = shutdown.wait() => {}
    }
    for name in names {
        health
            .set_service_status(name, ServingStatus::NotServing)
            .await;
    }
    tokio::time::sleep(DRAIN_TIMEOUT).await;
    tracing::warn!("calls were still open after {DRAIN_TIMEOUT:?}; leaving them");
}

/// The routes, and the parts of the layers before them.
struct Grpc {
    routes: Routes,
    admission: Admission,
    activity: Activity,
    call_metrics: CallMetrics,
    tls: Option<ServerTls>,
    connections: usize,
}

impl Grpc {
    /// Serves the same routes on both listeners until the shutdown begins and the calls in flight are done.
    async fn serve(
        self,
        tcp: Option<TcpListener>,
        unix: Option<UnixListener>,
        shutdown: &Shutdown,
    ) -> Result<(), ServeError> {
        let layers = layers::layer(self.admission, self.activity, self.call_metrics);
        let server = |keep_alive| {
            tonic::transport::Server::builder()
                .layer(layers.clone())
                .http2_keepalive_interval(Some(keep_alive))
                .http2_max_header_list_size(MAX_HEADER_BYTES)
                .max_concurrent_streams(MAX_STREAMS)
                .add_routes(self.routes.clone())
        };
        let end = || shutdown.wait();
        let on_tcp = async {
            let Some(tcp) = tcp else { return Ok(()) };
            let incoming = connections::accept(tcp, self.connections);
            let server = server(KEEP_ALIVE);
            match self.tls {
                None => server.serve_with_incoming_shutdown(incoming, end()).await,
                Some(tls) => {
                    let incoming = handshakes::accept_tls(incoming, tls);
                    server.serve_with_incoming_shutdown(incoming, end()).await
                }
            }
        };
        let on_unix = async {
            let Some(unix) = unix else { return Ok(()) };
            let incoming = UnixListenerStream::new(unix);
            let server = server(LOCAL_KEEP_ALIVE);
            server.serve_with_incoming_shutdown(incoming, end()).await
        };
        tokio::try_join!(on_tcp, on_unix)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_check_response::ServingStatus as Health;
    use tonic_health::pb::health_client::HealthClient;

    use crate::client::{Channel, Endpoint, connect};

    const STATE: &str = "shim.coordination.v1.StateService";

    async fn health(client: &mut HealthClient<Channel>, service: &str) -> Health {
        let asked = HealthCheckRequest {
            service: service.to_owned(),
        };
        client.check(asked).await.unwrap().into_inner().status()
    }

    #[tokio::test]
    async fn a_service_that_cannot_serve_is_not_serving_in_health_but_the_process_is() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let mut listeners = Listeners::default();
        listeners.bind_unix(&socket).unwrap();
        let mut server = Server::new(Auth::default()).unwrap();
        server.names.push(STATE);
        let readiness = server.readiness();
        readiness.set(STATE, Err("no store yet".into()));
        let shutdown = Shutdown::new();
        let served = tokio::spawn(server.serve(listeners, shutdown.clone()));

        let channel = connect(&Endpoint::Unix(socket), None).unwrap();
        let mut client = HealthClient::new(channel);
        assert_eq!(health(&mut client, STATE).await, Health::NotServing);
        assert_eq!(health(&mut client, "").await, Health::Serving);
        for (state, expected) in [
            (Ok(()), Health::Serving),
            (Err("lost".to_owned()), Health::NotServing),
        ] {
            let asked = HealthCheckRequest {
                service: STATE.to_owned(),
            };
            let mut watch = client.watch(asked).await.unwrap().into_inner();
            watch.message().await.unwrap().unwrap();
            readiness.set(STATE, state);
            assert_eq!(watch.message().await.unwrap().unwrap().status(), expected);
        }
        shutdown.begin();
        drop(client);
        served.await.unwrap().unwrap();
    }
}
