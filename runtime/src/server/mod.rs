//! Serving gRPC: the listeners, health and reflection, and the drain at the end.
//!
//! What crosses every call lives in [`edge`]; what a service does lives in its own crate.

mod edge;
mod listen;

use std::convert::Infallible;
use std::time::Duration;

use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::auth::Auth;
use crate::lifecycle::Shutdown;

pub use edge::{Activity, MAX_MESSAGE_BYTES};
pub use listen::{ListenError, Listeners};

/// In-flight calls get this long to finish once the shutdown began.
const DRAIN: Duration = Duration::from_secs(5);

/// A gRPC server in the making.
pub struct Server {
    routes: Routes,
    health: HealthReporter,
    names: Vec<&'static str>,
    auth: Auth,
    activity: Activity,
}

/// Why a server stopped without being told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The transport failed.
    #[error("serving gRPC failed: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The contract's descriptors do not decode.
    #[error("the reflection service cannot be built: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
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
        };
        let routes = Routes::new(health_service)
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?);
        Ok(Self {
            routes,
            health,
            names: Vec::new(),
            auth,
            activity: Activity::default(),
        })
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

    /// Tells when the last call came; see [`Activity::idle_for`].
    #[must_use]
    pub fn activity(&self) -> Activity {
        self.activity.clone()
    }

    /// Serves on all listeners until the shutdown begins, then lets calls in flight finish for five seconds.
    ///
    /// # Errors
    /// If a listener fails.
    pub async fn serve(self, listeners: Listeners, shutdown: Shutdown) -> Result<(), ServeError> {
        for name in &self.names {
            self.health
                .set_service_status(name, ServingStatus::Serving)
                .await;
        }
        let Listeners { tcp, unix } = listeners;
        let edge = edge::layer(self.auth, self.activity);
        let routes = self.routes.prepare();
        let server = || {
            tonic::transport::Server::builder()
                .layer(edge.clone())
                .http2_keepalive_interval(Some(Duration::from_secs(10)))
                .tcp_nodelay(true)
        };
        let drain = shutdown.clone();
        let on_tcp = async {
            let Some(tcp) = tcp else { return Ok(()) };
            let incoming =
                tonic::transport::server::TcpIncoming::from(tcp).with_nodelay(Some(true));
            server()
                .add_routes(routes.clone())
                .serve_with_incoming_shutdown(incoming, drain.wait())
                .await
        };
        let on_unix = async {
            let Some(unix) = unix else { return Ok(()) };
            let incoming = tokio_stream::wrappers::UnixListenerStream::new(unix);
            server()
                .add_routes(routes.clone())
                .serve_with_incoming_shutdown(incoming, drain.wait())
                .await
        };
        let deadline = async {
            shutdown.wait().await;
            for name in &self.names {
                self.health
                    .set_service_status(name, ServingStatus::NotServing)
                    .await;
            }
            tokio::time::sleep(DRAIN).await;
            tracing::warn!("calls were still open after {DRAIN:?}; leaving them");
        };
        tokio::select! {
            result = async { tokio::try_join!(on_tcp, on_unix) } => { result?; }
            () = deadline => {}
        }
        Ok(())
    }
}
