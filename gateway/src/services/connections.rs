//! The connections to the services, all lazy, and which of them the local stack serves.

use std::sync::Arc;

use shim_proto::checkpoint::v1::checkpoint_service_server;
use shim_proto::coordination::v1::task_service_server;
use shim_proto::reasons;
use shim_proto::worker::v1::worker_service_server;
use shim_runtime::client::{self, Channel, Endpoint};
use shim_runtime::config::Config as RuntimeConfig;
use tonic::Status;

use super::local_stack::LocalStack;
use super::upstream::{Upstream, UpstreamName};
use crate::error::GatewayError;

const COORDINATION: UpstreamName = UpstreamName {
    reason: reasons::COORDINATION_NOT_CONNECTED,
    title: "coordination service",
    endpoint: "endpoints.coordination",
};
const WORKER: UpstreamName = UpstreamName {
    reason: reasons::WORKER_SERVICE_NOT_CONNECTED,
    title: "worker service",
    endpoint: "endpoints.worker",
};

/// The way to the services.
pub(crate) struct Services {
    checkpoint: Upstream,
    /// Unset if only other services have endpoints.
    coordination: Option<Upstream>,
    /// Unset if only other services have endpoints.
    worker: Option<Upstream>,
    /// Set if the checkpoint service has no endpoint; the stack is started when a call needs it.
    local: Option<Arc<LocalStack>>,
    watched: Vec<WatchedUpstream>,
}

/// A service at an endpoint that is configured, by its name in the health protocol, and the connection to it.
pub(crate) type WatchedUpstream = (&'static str, Channel);

impl Services {
    /// Prepares the connections; nothing is opened or started yet.
    pub(crate) fn prepare(config: &RuntimeConfig) -> Result<Self, GatewayError> {
        let credentials = config.credentials()?;
        let (endpoint, local) = checkpoint_endpoint(config)?;
        let connect = |endpoint: &Endpoint, key: &'static str| {
            client::connect(endpoint, Some(&credentials))
                .map_err(|error| GatewayError::Endpoint(key, error))
        };
        let channel = connect(&endpoint, "endpoints.checkpoint")?;
        // Several endpoints may be one server: then they share its connection.
        let connect_other = |other: &Option<Endpoint>, name: &'static UpstreamName| {
            let (channel, stack) = match other {
                Some(other) if *other != endpoint => (connect(other, name.endpoint)?, None),
                None if local.is_none() => return Ok(None),
                _ => (channel.clone(), local.clone()),
            };
            Ok::<_, GatewayError>(Some(Upstream {
                name: Some(name),
                channel,
                stack,
            }))
        };
        let coordination = connect_other(&config.endpoints.coordination, &COORDINATION)?;
        let worker = connect_other(&config.endpoints.worker, &WORKER)?;
        let checkpoint = Upstream {
            name: None,
            channel,
            stack: local.clone(),
        };
        let watched = watched(&checkpoint, coordination.as_ref(), worker.as_ref());
        Ok(Self {
            checkpoint,
            coordination,
            worker,
            local,
            watched,
        })
    }

    /// The services whose health can be asked for without keeping the local stack awake.
    pub(crate) fn watched(&self) -> &[WatchedUpstream] {
        &self.watched
    }

    /// Starts the local stack if it is needed and does not run.
    pub(crate) async fn warm_up(&self) -> Result<(), Status> {
        match &self.local {
            Some(local) => local.ensure_running().await,
            None => Ok(()),
        }
    }

    /// Whether there is a coordination service to ask; it may be away.
    pub(crate) fn has_coordination(&self) -> bool {
        self.coordination.is_some()
    }

    /// Refuses what needs a coordination service, before anything is done for it.
    pub(crate) fn require_coordination(&self) -> Result<(), Status> {
        self.coordination().map(|_| ())
    }

    /// Refuses what needs the services of tasks, before anything is done for it.
    pub(crate) fn require_worker_service(&self) -> Result<(), Status> {
        self.require_coordination()?;
        self.worker().map(|_| ())
    }

    pub(super) fn checkpoint(&self) -> &Upstream {
        &self.checkpoint
    }

    pub(super) fn coordination(&self) -> Result<&Upstream, Status> {
        let coordination = self.coordination.as_ref();
        coordination.ok_or_else(|| COORDINATION.missing())
    }

    pub(super) fn worker(&self) -> Result<&Upstream, Status> {
        self.worker.as_ref().ok_or_else(|| WORKER.missing())
    }
}

/// The configured endpoint of the checkpoint service, or the local stack and its socket.
fn checkpoint_endpoint(
    config: &RuntimeConfig,
) -> Result<(Endpoint, Option<Arc<LocalStack>>), GatewayError> {
    if let Some(endpoint) = &config.endpoints.checkpoint {
        return Ok((endpoint.clone(), None));
    }
    let local = LocalStack::of(config)?;
    Ok((Endpoint::Unix(local.stack.socket()), Some(Arc::new(local))))
}

/// The upstreams that the local stack does not serve.
fn watched(
    checkpoint: &Upstream,
    coordination: Option<&Upstream>,
    worker: Option<&Upstream>,
) -> Vec<WatchedUpstream> {
    let services = [
        (checkpoint_service_server::SERVICE_NAME, Some(checkpoint)),
        (task_service_server::SERVICE_NAME, coordination),
        (worker_service_server::SERVICE_NAME, worker),
    ];
    services
        .into_iter()
        .filter_map(|(name, upstream)| {
            let upstream = upstream.filter(|upstream| upstream.stack.is_none())?;
            Some((name, upstream.channel.clone()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use shim_runtime::config::Settings;

    use super::*;

    #[tokio::test]
    async fn the_local_stack_is_not_kept_awake_by_health_checks() {
        let config = RuntimeConfig::read(&mut Settings::default());
        assert!(Services::prepare(&config).unwrap().watched().is_empty());
    }
}
