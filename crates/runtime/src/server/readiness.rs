//! Which services cannot serve now, and why, for `grpc.health.v1` and the HTTP probe `/readyz`.
//!
//! A service that has its store serves; one that lost it says so here and goes on answering, each call with its error.
//! The process as a whole (health's service "") stays SERVING: starting it anew would not bring the store back.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// Where services report whether they can serve. Clones share one state.
///
/// Get it with [`Server::readiness`](super::Server::readiness) before `serve`, and report every change, as often as it
/// is noticed: only a difference is passed on.
///
/// ```
/// # use shim_runtime::server::Readiness;
/// # let readiness = Readiness::default();
/// const STATE: &str = "shim.coordination.v1.StateService"; // `StateServiceServer::NAME` of the generated code
/// readiness.set(STATE, Err("Redis cannot be reached".to_owned()));
/// assert_eq!(readiness.unready().len(), 1);
/// readiness.set(STATE, Ok(()));
/// assert!(readiness.unready().is_empty());
/// ```
#[derive(Debug, Clone)]
pub struct Readiness(Arc<watch::Sender<BTreeMap<&'static str, String>>>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::default()))
    }
}

impl Readiness {
    /// Reports whether `service`, named as in the contract, can serve; `Err` says in one line why not. Everyone who can
    /// reach the probes sees the reason, so it holds no secret. A service that never reports can serve.
    pub fn set(&self, service: &'static str, state: Result<(), String>) {
        self.0.send_if_modified(|unready| match state {
            Ok(()) => unready.remove(service).is_some(),
            Err(reason) => {
                unready.get(service) != Some(&reason) && {
                    unready.insert(service, reason);
                    true
                }
            }
        });
    }

    /// The services that cannot serve, with their reasons.
    #[must_use]
    pub fn unready(&self) -> BTreeMap<&'static str, String> {
        self.0.borrow().clone()
    }

    /// Sets the present health of all `services`.
    pub(super) async fn report(&self, services: &[&'static str], health: &HealthReporter) {
        let unready = self.unready();
        for service in services {
            let status = if unready.contains_key(service) {
                ServingStatus::NotServing
            } else {
                ServingStatus::Serving
            };
            health.set_service_status(service, status).await;
        }
    }

    /// Sets their health with every change; ends only if dropped.
    pub(super) async fn keep_reporting(&self, services: &[&'static str], health: &HealthReporter) {
        let mut changes = self.0.subscribe();
        changes.mark_changed();
        while changes.changed().await.is_ok() {
            self.report(services, health).await;
        }
    }
}
