//! What a process serves: services, each with its RPCs, its background tasks and its end.
//!
//! One process may serve one of them or all; [`serve`] knows none by name.

pub use futures::future::BoxFuture;
use futures::future::join_all;

use crate::lifecycle::Shutdown;
use crate::server::{Listeners, ServeError, Server};

/// A running service.
pub trait Service: Send + Sync {
    /// Adds the service's RPCs to a server, and reports the service's health there.
    #[must_use]
    fn register(&self, server: Server) -> Server;

    /// Ends the service after the shutdown began, beside the drain of open calls: work in hand is finished or given back,
    /// and every background task has ended when this returns.
    fn drain(&self) -> BoxFuture<'_, ()>;
}

/// Serves `services` until the shutdown begins, then drains calls and services side by side.
///
/// # Errors
/// If the server fails, or a background task without which the process must not go on panicked.
pub async fn serve(
    services: &[Box<dyn Service>],
    server: Server,
    listeners: Listeners,
    shutdown: Shutdown,
) -> Result<(), ServeError> {
    let services = services.iter().map(AsRef::as_ref);
    let server = services
        .clone()
        .fold(server, |server, service: &dyn Service| {
            service.register(server)
        });
    let served = async {
        let served = server.serve(listeners, shutdown.clone()).await;
        // A server that failed ends the services, too.
        shutdown.begin();
        served
    };
    let drained = async {
        shutdown.wait().await;
        join_all(services.map(Service::drain)).await;
    };
    let (served, ()) = tokio::join!(served, drained);
    served?;
    shutdown
        .failure()
        .map_or(Ok(()), |reason| Err(ServeError::Background(reason)))
}
