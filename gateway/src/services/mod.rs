//! The services behind the tools: a lazy connection for each endpoint, the local stack, and the only retry there is.
//!
//! A call that the transport lost is sent again with the very same request, so its `request_id` makes it take effect
//! once. Whatever a service answered on purpose is not asked again, but for what `retry` lists.

mod coordination;
mod retry;
mod upstream;
mod worker;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use shim_proto::checkpoint::v1;
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::checkpoint_service_server;
use shim_proto::checkpoint::v1::signal_service_client::SignalServiceClient;
use shim_proto::coordination::v1::task_service_server;
use shim_proto::worker::v1::worker_service_server;
use shim_runtime::auth::Credentials;
use shim_runtime::client::{self, Channel, Endpoint};
use shim_runtime::config::Config as RuntimeConfig;
use shim_runtime::service_error::ServiceError;
use shim_runtime::stack::Stack;
use tokio::sync::Mutex;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use crate::GatewayError;

pub(crate) use retry::{is_connection_lost, is_unauthenticated};
use upstream::Upstream;

/// How long a call waits for the checkpoint service to come back.
const RETRY_WINDOW: Duration = Duration::from_secs(10);
/// One attempt; a healthy service answers in milliseconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a stack may take from its start to serving.
const STACK_START_TIMEOUT: Duration = Duration::from_secs(10);
const MIN_BACKOFF: Duration = Duration::from_millis(20);
const MAX_BACKOFF: Duration = Duration::from_millis(500);
/// The service's limit is 4 MiB and more; an answer with a whole checkpoint stays below this.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// The typed clients of the checkpoint service.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) checkpoints: CheckpointServiceClient<Channel>,
    pub(crate) signals: SignalServiceClient<Channel>,
}

/// The way to the services.
pub(crate) struct Services {
    clients: Clients,
    /// Unset if only other services have endpoints.
    coordination: Option<Upstream<coordination::Clients>>,
    /// Likewise.
    worker: Option<Upstream<worker::Clients>>,
    /// Set if no endpoint of the checkpoint service is configured; then the stack is started when it is needed.
    local: Option<LocalStack>,
    upstreams: Vec<WatchedUpstream>,
}

/// A service at an endpoint that is configured, as health calls it, and the way to it.
pub(crate) type WatchedUpstream = (&'static str, Channel);

struct LocalStack {
    stack: Stack,
    program: PathBuf,
    /// Whether it was seen running since the last failure. One caller looks, the others wait for what it found.
    is_running: Mutex<bool>,
}

/// How the calls of one service are made.
struct CallPolicy {
    /// Whether the local stack serves it.
    starts_stack: bool,
    attempt_limit: Duration,
    retry_window: Duration,
    retry_rule: retry::RetryRule,
}

impl LocalStack {
    fn of(config: &RuntimeConfig) -> Result<Self, GatewayError> {
        Ok(Self {
            stack: Stack::at(&config.data_dir).with_config_file(config.file.clone()),
            program: std::env::current_exe().map_err(GatewayError::OwnProgram)?,
            is_running: Mutex::new(false),
        })
    }
}

impl Services {
    /// Prepares the connections; nothing is opened or started yet.
    pub(crate) fn prepare(config: &RuntimeConfig) -> Result<Self, GatewayError> {
        let credentials = Credentials::of(config.token_file.as_deref(), &config.tls)?;
        let (endpoint, local) = match &config.endpoints.checkpoint {
            Some(endpoint) => (endpoint.clone(), None),
            None => {
                let local = LocalStack::of(config)?;
                (Endpoint::Unix(local.stack.socket()), Some(local))
            }
        };
        let channel = client::connect(&endpoint, Some(&credentials))
            .map_err(|error| GatewayError::Endpoint("endpoints.checkpoint", error))?;
        // Several endpoints may be one server: then they share its connection.
        let connect_other = |other: &Option<Endpoint>, key| match other {
            Some(other) if *other != endpoint => {
                let channel = client::connect(other, Some(&credentials))
                    .map_err(|error| GatewayError::Endpoint(key, error))?;
                Ok::<_, GatewayError>(Some((channel, false)))
            }
            Some(_) => Ok(Some((channel.clone(), local.is_some()))),
            None => Ok(local.is_some().then(|| (channel.clone(), true))),
        };
        let coordination =
            connect_other(&config.endpoints.coordination, coordination::NAME.endpoint)?;
        let worker = connect_other(&config.endpoints.worker, worker::NAME.endpoint)?;
        let checkpoint = Some((channel.clone(), local.is_some()));
        let upstreams = [
            (checkpoint_service_server::SERVICE_NAME, &checkpoint),
            (task_service_server::SERVICE_NAME, &coordination),
            (worker_service_server::SERVICE_NAME, &worker),
        ];
        let upstreams = upstreams
            .into_iter()
            .filter_map(|(name, connection)| match connection {
                Some((channel, false)) => Some((name, channel.clone())),
                _ => None,
            });
        let upstreams = upstreams.collect();
        let coordination = coordination.map(|(channel, is_local)| Upstream {
            clients: coordination::Clients::new(channel),
            is_local,
        });
        let worker = worker.map(|(channel, is_local)| Upstream {
            clients: worker::Clients::new(channel),
            is_local,
        });
        let clients = Clients {
            checkpoints: CheckpointServiceClient::new(channel.clone())
                .max_decoding_message_size(MAX_ANSWER_BYTES),
            signals: SignalServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES),
        };
        Ok(Self {
            clients,
            coordination,
            worker,
            local,
            upstreams,
        })
    }

    /// The services whose health can be asked for without keeping the local stack awake.
    pub(crate) fn upstreams(&self) -> &[WatchedUpstream] {
        &self.upstreams
    }

    /// The clients as they are, for streams; starts nothing.
    pub(crate) fn clients(&self) -> Clients {
        self.clients.clone()
    }

    /// Starts the local stack if it is needed and does not run.
    pub(crate) async fn warm_up(&self) -> Result<(), Status> {
        let Some(local) = &self.local else {
            return Ok(());
        };
        let mut is_running = local.is_running.lock().await;
        if !*is_running {
            local
                .stack
                .ensure_running(&local.program, STACK_START_TIMEOUT)
                .await
                .map_err(|error| {
                    Status::from(ServiceError {
                        code: Code::Unavailable,
                        reason: "STACK_NOT_RUNNING",
                        message: error.to_string(),
                        remedy: Some(
                            "the user can run `shim doctor` to see what keeps it from starting"
                                .to_owned(),
                        ),
                        retry_after: None,
                    })
                })?;
            *is_running = true;
        }
        Ok(())
    }

    async fn forget_stack(&self) {
        if let Some(local) = &self.local {
            *local.is_running.lock().await = false;
        }
    }

    /// Calls an RPC, starting the stack and waiting for a service that is away.
    async fn call_with_policy<Q, A, F>(
        &self,
        policy: CallPolicy,
        message: Q,
        rpc: impl Fn(Request<Q>) -> F,
    ) -> Result<A, Status>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let deadline = Instant::now() + policy.retry_window;
        let mut backoff = MIN_BACKOFF;
        let mut attempts = 0;
        loop {
            if policy.starts_stack {
                self.warm_up().await?;
            }
            let status = match call_once(message.clone(), policy.attempt_limit, &rpc).await {
                Ok(answer) => return Ok(answer),
                Err(status) => status,
            };
            attempts += 1;
            let wait = (policy.retry_rule)(&status, attempts).map(|delay| delay.max(backoff));
            if policy.starts_stack && retry::is_connection_lost(&status) {
                self.forget_stack().await;
            }
            let Some(wait) = wait.filter(|wait| Instant::now() + *wait < deadline) else {
                return Err(status);
            };
            tracing::debug!(code = ?status.code(), ?wait, "asking the service again");
            tokio::time::sleep(wait).await;
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
    }

    async fn call_checkpoints<Q, A, F>(
        &self,
        message: Q,
        rpc: impl Fn(Clients, Request<Q>) -> F,
    ) -> Result<A, Status>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let policy = CallPolicy {
            starts_stack: true,
            attempt_limit: ATTEMPT_TIMEOUT,
            retry_window: RETRY_WINDOW,
            retry_rule: retry::retry_until_back,
        };
        self.call_with_policy(policy, message, |request| rpc(self.clients(), request))
            .await
    }
}

/// One attempt.
async fn call_once<Q, A, F>(
    message: Q,
    limit: Duration,
    rpc: impl FnOnce(Request<Q>) -> F,
) -> Result<A, Status>
where
    F: Future<Output = Result<Response<A>, Status>>,
{
    let mut request = Request::new(message);
    request.set_timeout(limit);
    match tokio::time::timeout(limit, rpc(request)).await {
        Ok(answer) => answer.map(Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded(format!(
            "the service did not answer within {limit:?}"
        ))),
    }
}

/// One method for each RPC the gateway calls, all with the same start, deadline and retry.
macro_rules! rpcs {
    ($($client:ident.$rpc:ident($request:ident) -> $answer:ident;)*) => {
        impl Services {$(
            pub(crate) async fn $rpc(&self, request: v1::$request) -> Result<v1::$answer, Status> {
                self.call_checkpoints(request, |mut clients, request| async move { clients.$client.$rpc(request).await }).await
            }
        )*}
    };
}

rpcs! {
    checkpoints.open_session(OpenSessionRequest) -> OpenSessionResponse;
    checkpoints.get_session(GetSessionRequest) -> GetSessionResponse;
    checkpoints.list_sessions(ListSessionsRequest) -> ListSessionsResponse;
    checkpoints.save_checkpoint(SaveCheckpointRequest) -> SaveCheckpointResponse;
    checkpoints.get_checkpoint(GetCheckpointRequest) -> GetCheckpointResponse;
    checkpoints.list_checkpoints(ListCheckpointsRequest) -> ListCheckpointsResponse;
    checkpoints.search_checkpoints(SearchCheckpointsRequest) -> SearchCheckpointsResponse;
    checkpoints.detect_recovery(DetectRecoveryRequest) -> DetectRecoveryResponse;
    checkpoints.restore_checkpoint(RestoreCheckpointRequest) -> RestoreCheckpointResponse;
    checkpoints.dismiss_recovery(DismissRecoveryRequest) -> DismissRecoveryResponse;
    signals.record_signals(RecordSignalsRequest) -> RecordSignalsResponse;
    signals.assess_risk(AssessRiskRequest) -> AssessRiskResponse;
}

/// A fresh idempotency key.
pub(crate) fn request_id() -> String {
    Uuid::now_v7().to_string()
}
