//! Finding the services: the configured endpoint, else the local stack, started if it is not running.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::observation_service_client::ObservationServiceClient;
use shim_proto::coordination::v1::ListWorkersRequest;
use shim_proto::coordination::v1::bus_service_client::BusServiceClient;
use shim_proto::coordination::v1::lock_service_client::LockServiceClient;
use shim_proto::coordination::v1::registry_service_client::RegistryServiceClient;
use shim_proto::coordination::v1::state_service_client::StateServiceClient;
use shim_proto::coordination::v1::task_service_client::TaskServiceClient;
use shim_proto::evolution::v1::evolution_service_client::EvolutionServiceClient;
use shim_proto::limits::MAX_MESSAGE_BYTES;
use shim_proto::reasons::STORE_UNAVAILABLE;
use shim_proto::worker::v1::worker_service_client::WorkerServiceClient;
use shim_runtime::client::{self, Channel, Endpoint};
use shim_runtime::service_error::decode;
use shim_runtime::stack::StackInfo;
use tonic::{Request, Response, Status};

use crate::config::Config;
use crate::error::CliError;
use crate::output::say;
use crate::service::credentials;
use crate::up::{redis, redis_log};

/// A typed client of the checkpoint service.
pub(crate) type Checkpoints = CheckpointServiceClient<Channel>;

/// A typed client of what the checkpoint service observes.
pub(crate) type Observations = ObservationServiceClient<Channel>;

/// Typed clients of the coordination service, all on one connection.
#[derive(Clone)]
pub(crate) struct Coordination {
    /// Shared state.
    pub(crate) state: StateServiceClient<Channel>,
    /// Locks and leases on files.
    pub(crate) locks: LockServiceClient<Channel>,
    /// Messages.
    pub(crate) bus: BusServiceClient<Channel>,
    /// Workers.
    pub(crate) registry: RegistryServiceClient<Channel>,
    /// Jobs and their tasks.
    pub(crate) tasks: TaskServiceClient<Channel>,
}

/// A typed client of the worker service.
pub(crate) type WorkerHost = WorkerServiceClient<Channel>;

/// A typed client of the evolution service.
pub(crate) type Evolution = EvolutionServiceClient<Channel>;

const STACK_READY_WITHIN: Duration = Duration::from_secs(10);
const CALL_WITHIN: Duration = Duration::from_secs(30);
/// A younger stack may not have connected to its Redis yet.
const REDIS_READY_WITHIN: Duration = Duration::from_secs(5);
/// A large file is loaded for seconds.
const OWN_REDIS_READY_WITHIN: Duration = Duration::from_secs(10);
/// Before, what the log of Redis tells may be of an earlier one.
const TROUBLE_AFTER: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);
/// A report of a large project with its findings.
const MAX_REPORT_BYTES: usize = 256 << 20;

/// The checkpoint service that is configured, or the local stack's.
///
/// # Errors
/// If the stack cannot be started.
pub(crate) async fn checkpoints(config: &Config) -> Result<Checkpoints, CliError> {
    let endpoint = match &config.runtime.endpoints.checkpoint {
        Some(endpoint) => endpoint.clone(),
        None => Endpoint::Unix(local_stack(config).await?.socket),
    };
    checkpoints_at(config, &endpoint)
}

/// What the checkpoint service observes, likewise.
///
/// # Errors
/// If the stack cannot be started.
pub(crate) async fn observations(config: &Config) -> Result<Observations, CliError> {
    let endpoint = match &config.runtime.endpoints.checkpoint {
        Some(endpoint) => endpoint.clone(),
        None => Endpoint::Unix(local_stack(config).await?.socket),
    };
    let channel = client::connect(&endpoint, Some(&credentials(config)?))?;
    Ok(ObservationServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
}

/// The checkpoint service at `endpoint`; nothing is started.
///
/// # Errors
/// If the credentials cannot be read.
pub(crate) fn checkpoints_at(
    config: &Config,
    endpoint: &Endpoint,
) -> Result<Checkpoints, CliError> {
    let channel = client::connect(endpoint, Some(&credentials(config)?))?;
    Ok(CheckpointServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
}

/// The coordination service that is configured, or the local stack's.
///
/// # Errors
/// If only the checkpoint service is configured, or the stack cannot be started.
pub(crate) async fn coordination(config: &Config) -> Result<Coordination, CliError> {
    let endpoints = &config.runtime.endpoints;
    match (&endpoints.coordination, &endpoints.checkpoint) {
        (Some(endpoint), _) => coordination_at(config, endpoint),
        (None, Some(checkpoint)) => Err(CliError::new(format!(
            "no coordination service is configured, while the checkpoint service is ({checkpoint})"
        ))
        .hint("set endpoints.coordination (SHIM_ENDPOINTS_COORDINATION), too")),
        (None, None) => {
            let stack = local_stack(config).await?;
            let mut service = coordination_at(config, &Endpoint::Unix(stack.socket.clone()))?;
            await_redis(&mut service, &stack).await;
            Ok(service)
        }
    }
}

/// The coordination service at `endpoint`; nothing is started.
///
/// # Errors
/// If the credentials cannot be read.
pub(crate) fn coordination_at(
    config: &Config,
    endpoint: &Endpoint,
) -> Result<Coordination, CliError> {
    let channel = client::connect(endpoint, Some(&credentials(config)?))?;
    Ok(Coordination {
        state: StateServiceClient::new(channel.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES),
        locks: LockServiceClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES),
        bus: BusServiceClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES),
        registry: RegistryServiceClient::new(channel.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES),
        tasks: TaskServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES),
    })
}

/// The worker service that is configured, or the local stack's.
///
/// # Errors
/// If only other services are configured, or the stack cannot be started.
pub(crate) async fn worker_host(config: &Config) -> Result<WorkerHost, CliError> {
    let endpoints = &config.runtime.endpoints;
    let elsewhere = endpoints
        .coordination
        .as_ref()
        .or(endpoints.checkpoint.as_ref());
    match (&endpoints.worker, elsewhere) {
        (Some(endpoint), _) => worker_host_at(config, endpoint),
        (None, Some(other)) => Err(CliError::new(format!(
            "no worker service is configured, while another service is ({other})"
        ))
        .hint("set endpoints.worker (SHIM_ENDPOINTS_WORKER), too")),
        (None, None) => {
            let stack = local_stack(config).await?;
            let endpoint = Endpoint::Unix(stack.socket.clone());
            await_redis(&mut coordination_at(config, &endpoint)?, &stack).await;
            worker_host_at(config, &endpoint)
        }
    }
}

/// The worker service at `endpoint`; nothing is started.
///
/// # Errors
/// If the credentials cannot be read.
pub(crate) fn worker_host_at(config: &Config, endpoint: &Endpoint) -> Result<WorkerHost, CliError> {
    let channel = client::connect(endpoint, Some(&credentials(config)?))?;
    Ok(WorkerServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
}

/// The evolution service that is configured, or the local stack's.
///
/// # Errors
/// If only other services are configured, or the stack cannot be started.
pub(crate) async fn evolution(config: &Config) -> Result<Evolution, CliError> {
    let endpoints = &config.runtime.endpoints;
    let elsewhere = endpoints
        .coordination
        .as_ref()
        .or(endpoints.checkpoint.as_ref());
    let endpoint = match (&endpoints.evolution, elsewhere) {
        (Some(endpoint), _) => endpoint.clone(),
        (None, Some(other)) => {
            return Err(CliError::new(format!(
                "no evolution service is configured, while another service is ({other})"
            ))
            .hint("set endpoints.evolution (SHIM_ENDPOINTS_EVOLUTION), too"));
        }
        (None, None) => Endpoint::Unix(local_stack(config).await?.socket),
    };
    let channel = client::connect(&endpoint, Some(&credentials(config)?))?;
    Ok(EvolutionServiceClient::new(channel).max_decoding_message_size(MAX_REPORT_BYTES))
}

async fn local_stack(config: &Config) -> Result<StackInfo, CliError> {
    let exe = std::env::current_exe()?;
    let stack = config.stack();
    Ok(stack.ensure_running(&exe, STACK_READY_WITHIN).await?)
}

/// Waits until a stack that was just started has connected to its Redis; an older stack is not waited for.
async fn await_redis(service: &mut Coordination, stack: &StackInfo) {
    let started = UNIX_EPOCH + Duration::from_millis(stack.started_unix_ms);
    let age = SystemTime::now()
        .duration_since(started)
        .unwrap_or_default();
    let deadline = Instant::now() + REDIS_READY_WITHIN.saturating_sub(age);
    while Instant::now() < deadline && is_without_redis(service).await {
        tokio::time::sleep(POLL).await;
    }
}

/// Waits until the stack that was just started in the background has its own Redis, and says so if it has not in time. What
/// keeps a Redis from starting is not waited for.
pub(crate) async fn await_own_redis(config: &Config, stack: &StackInfo) {
    if config.runtime.redis_url.is_some() {
        return;
    }
    let endpoint = Endpoint::Unix(stack.socket.clone());
    let Ok(mut service) = coordination_at(config, &endpoint) else {
        return;
    };
    let own = redis::socket(config.data_dir());
    let begun = Instant::now();
    while is_without_redis(&mut service).await {
        let waited = begun.elapsed();
        let is_troubled = waited >= TROUBLE_AFTER && !redis::answers(&own).await;
        if is_troubled && redis_log::last_trouble(config.data_dir()).is_some() {
            return;
        }
        if waited >= OWN_REDIS_READY_WITHIN {
            return say::line(
                "note: Redis is still starting; `shim status` tells when it is ready",
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Whether the coordination service has no connection to its Redis, of which it has the address.
async fn is_without_redis(service: &mut Coordination) -> bool {
    let asked = ListWorkersRequest {
        page_size: 1,
        ..ListWorkersRequest::default()
    };
    let asked = service.registry.list_workers(request(asked)).await;
    asked.is_err_and(|status| decode(&status).reason == STORE_UNAVAILABLE)
}

/// The message that a call answers with.
///
/// # Errors
/// With the status of a refused or failed call.
pub(crate) async fn call<T>(
    response: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Status> {
    response.await.map(Response::into_inner)
}

/// A request with a deadline, so that no command waits for a hung service for ever.
pub(crate) fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_WITHIN);
    request
}

/// A fresh idempotency key.
pub(crate) fn request_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
