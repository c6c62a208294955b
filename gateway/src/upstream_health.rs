//! Whether the services behind this gateway can serve, by their last health update: for `/readyz` and the log.
//!
//! A gateway is of use as long as one of them can: only if none can, traffic is better sent elsewhere. Each service
//! sends its changes on one stream (grpc.health.v1 `Watch`), so a probe asks none. The local stack is not watched, and
//! does not count beside endpoints that are configured: a call that needs it starts it, and a watch would keep it busy.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use shim_runtime::client::Channel;
use shim_runtime::server::Readiness;
use shim_runtime::service_error::explanation;
use tonic::Status;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::services::Services;

/// Between two attempts to reach a service that is away.
const BACKOFF: Duration = Duration::from_secs(1);

/// Keeps what is known of every service; never ends.
pub(crate) async fn watch(services: &Services, readiness: &Readiness) -> Infallible {
    let upstreams = services.watched();
    let health = UpstreamHealth::new(upstreams.iter().map(|(service, _)| *service), readiness);
    let all = upstreams
        .iter()
        .map(|(service, channel)| health.watch_service(service, channel.clone()));
    join_all(all).await;
    pending().await
}

/// The last state of every service: `Err` says in one line why one cannot serve.
struct UpstreamHealth<'a> {
    states: Mutex<BTreeMap<&'static str, Result<(), String>>>,
    readiness: &'a Readiness,
}

impl<'a> UpstreamHealth<'a> {
    fn new(services: impl Iterator<Item = &'static str>, readiness: &'a Readiness) -> Self {
        let unanswered = |service| (service, Err("has not answered yet".into()));
        let health = Self {
            states: Mutex::new(services.map(unanswered).collect()),
            readiness,
        };
        health.publish(&health.states.lock().unwrap_or_else(PoisonError::into_inner));
        health
    }

    async fn watch_service(&self, service: &'static str, channel: Channel) -> Infallible {
        let mut client = HealthClient::new(channel);
        loop {
            let Err(status) = self.read_updates(service, &mut client).await;
            let why = explanation(&status);
            self.set_state(service, Err(format!("does not answer: {why}")));
            tokio::time::sleep(BACKOFF).await;
        }
    }

    /// Reads the health updates of the service until its stream is lost.
    async fn read_updates(
        &self,
        service: &'static str,
        client: &mut HealthClient<Channel>,
    ) -> Result<Infallible, Status> {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let mut updates = client.watch(request).await?.into_inner();
        while let Some(health) = updates.message().await? {
            let state = match health.status() {
                ServingStatus::Serving => Ok(()),
                _ => Err("answers that it cannot serve now".into()),
            };
            self.set_state(service, state);
        }
        Err(Status::unavailable("it is stopping"))
    }

    fn set_state(&self, service: &'static str, state: Result<(), String>) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if states.get(service) == Some(&state) {
            return;
        }
        match &state {
            Ok(()) => tracing::info!("{service} can serve"),
            Err(why) => tracing::warn!("{service} {why}"),
        }
        states.insert(service, state);
        self.publish(&states);
    }

    fn publish(&self, states: &BTreeMap<&'static str, Result<(), String>>) {
        let is_ready = states.values().any(Result::is_ok);
        for (service, state) in states {
            let published = if is_ready { Ok(()) } else { state.clone() };
            self.readiness.set(service, published);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_of_use_while_one_service_can_serve() {
        let readiness = Readiness::default();
        let health = UpstreamHealth::new(["saves", "jobs"].into_iter(), &readiness);
        assert_eq!(readiness.unready().len(), 2);
        health.set_state("saves", Ok(()));
        assert!(readiness.unready().is_empty());
        health.set_state("jobs", Ok(()));
        health.set_state("saves", Err("does not answer: gone".into()));
        assert!(readiness.unready().is_empty());
        health.set_state("jobs", Err("answers that it cannot serve now".into()));
        let why: Vec<_> = readiness.unready().into_values().collect();
        let expected = ["answers that it cannot serve now", "does not answer: gone"];
        assert_eq!(why, expected);
    }
}
