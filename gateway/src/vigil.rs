//! Whether the services behind this gateway can serve, as they told last: for `/readyz` and the log.
//!
//! A gateway is of use as long as one of them can: only if none can, traffic is better sent elsewhere. Each is asked once
//! and tells of changes by itself (grpc.health.v1 `Watch`), so a probe asks nobody. The local stack is not watched, and does
//! not count beside endpoints that are configured: it is started by the call that needs it, and would never be idle.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use shim_runtime::client::Channel;
use shim_runtime::fault::explain;
use shim_runtime::server::Readiness;
use tonic::Status;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::services::Services;

/// Between two attempts to reach a service that is away.
const PAUSE: Duration = Duration::from_secs(1);

/// Keeps what is known of every service; never ends.
pub(crate) async fn keep(services: &Services, readiness: &Readiness) -> Infallible {
    let watched = services.watched();
    let vigil = Vigil::new(watched.iter().map(|(service, _)| *service), readiness);
    let all = watched
        .iter()
        .map(|(service, channel)| vigil.follow(service, channel.clone()));
    join_all(all).await;
    pending().await
}

/// What all services told last: `Err` says in one line why one cannot serve.
struct Vigil<'a> {
    states: Mutex<BTreeMap<&'static str, Result<(), String>>>,
    readiness: &'a Readiness,
}

impl<'a> Vigil<'a> {
    fn new(services: impl Iterator<Item = &'static str>, readiness: &'a Readiness) -> Self {
        let silent = |service| (service, Err("has not answered yet".into()));
        let vigil = Self {
            states: Mutex::new(services.map(silent).collect()),
            readiness,
        };
        vigil.report(&vigil.states.lock().unwrap_or_else(PoisonError::into_inner));
        vigil
    }

    async fn follow(&self, service: &'static str, channel: Channel) -> Infallible {
        let mut client = HealthClient::new(channel);
        loop {
            let Err(lost) = self.listen(service, &mut client).await;
            let why = explain(&lost).message;
            self.learn(service, Err(format!("does not answer: {why}")));
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Hears what the service tells of its health until it is lost.
    async fn listen(
        &self,
        service: &'static str,
        client: &mut HealthClient<Channel>,
    ) -> Result<Infallible, Status> {
        let asked = HealthCheckRequest {
            service: service.to_owned(),
        };
        let mut told = client.watch(asked).await?.into_inner();
        while let Some(health) = told.message().await? {
            let state = match health.status() {
                ServingStatus::Serving => Ok(()),
                _ => Err("answers that it cannot serve now".into()),
            };
            self.learn(service, state);
        }
        Err(Status::unavailable("it is stopping"))
    }

    fn learn(&self, service: &'static str, state: Result<(), String>) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if states.get(service) == Some(&state) {
            return;
        }
        match &state {
            Ok(()) => tracing::info!("{service} can serve"),
            Err(why) => tracing::warn!("{service} {why}"),
        }
        states.insert(service, state);
        self.report(&states);
    }

    fn report(&self, states: &BTreeMap<&'static str, Result<(), String>>) {
        let is_of_use = states.values().any(Result::is_ok);
        for (service, state) in states {
            let told = if is_of_use { Ok(()) } else { state.clone() };
            self.readiness.set(service, told);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_of_use_while_one_service_can_serve() {
        let readiness = Readiness::default();
        let vigil = Vigil::new(["saves", "jobs"].into_iter(), &readiness);
        assert_eq!(readiness.unready().len(), 2);
        vigil.learn("saves", Ok(()));
        assert!(readiness.unready().is_empty());
        vigil.learn("jobs", Ok(()));
        vigil.learn("saves", Err("does not answer: gone".into()));
        assert!(readiness.unready().is_empty());
        vigil.learn("jobs", Err("answers that it cannot serve now".into()));
        let why: Vec<_> = readiness.unready().into_values().collect();
        let told = ["answers that it cannot serve now", "does not answer: gone"];
        assert_eq!(why, told);
    }
}
