//! The services behind the tools: one lazy connection, the local stack behind it, and the only retry there is.
//!
//! A call that the transport lost is sent again with the very same request, so its `request_id` makes it take effect
//! once. Whatever a service answered on purpose is never asked again, but for an overload that names its delay.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use shim_proto::checkpoint::v1;
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::signal_service_client::SignalServiceClient;
use shim_runtime::auth::Token;
use shim_runtime::client::{self, Channel, Endpoint};
use shim_runtime::config::Config as RuntimeConfig;
use shim_runtime::fault::{Fault, explain};
use shim_runtime::stack::Stack;
use tokio::sync::Mutex;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use crate::GatewayError;

/// How long a call waits for a service to come back.
const RETRY_WINDOW: Duration = Duration::from_secs(10);
/// One attempt; a healthy service answers in milliseconds.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(10);
/// How long a stack may take from its start to serving.
const STACK_START_LIMIT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// The service's limit is 4 MiB and more; an answer with a whole checkpoint stays below this.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// The typed clients.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) checkpoints: CheckpointServiceClient<Channel>,
    pub(crate) signals: SignalServiceClient<Channel>,
}

/// The way to the services.
pub(crate) struct Services {
    clients: Clients,
    /// Set if no endpoint is configured; then the stack is started when it is needed.
    local: Option<LocalStack>,
}

struct LocalStack {
    stack: Stack,
    program: PathBuf,
    /// Whether it was seen running since the last failure. One caller looks, the others wait for what it found.
    seen: Mutex<bool>,
}

impl Services {
    /// Prepares the connection; nothing is opened or started yet.
    pub(crate) fn prepare(config: &RuntimeConfig) -> Result<Self, GatewayError> {
        let token = config
            .token_file
            .as_deref()
            .map(Token::from_file)
            .transpose()?;
        let (endpoint, local) = match &config.endpoints.checkpoint {
            Some(endpoint) => (endpoint.clone(), None),
            None => {
                let stack = Stack::at(&config.data_dir).configured_by(config.file.clone());
                let program = std::env::current_exe().map_err(GatewayError::OwnProgram)?;
                (
                    Endpoint::Unix(stack.socket()),
                    Some(LocalStack {
                        stack,
                        program,
                        seen: Mutex::new(false),
                    }),
                )
            }
        };
        let channel = client::connect(&endpoint, token.as_ref())?;
        let clients = Clients {
            checkpoints: CheckpointServiceClient::new(channel.clone())
                .max_decoding_message_size(MAX_ANSWER_BYTES),
            signals: SignalServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES),
        };
        Ok(Self { clients, local })
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
        let mut seen = local.seen.lock().await;
        if !*seen {
            local
                .stack
                .ensure_running(&local.program, STACK_START_LIMIT)
                .await
                .map_err(|error| {
                    Status::from(Fault {
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
            *seen = true;
        }
        Ok(())
    }

    async fn forget_stack(&self) {
        if let Some(local) = &self.local {
            *local.seen.lock().await = false;
        }
    }

    /// Calls an RPC, starting the stack and waiting for a service that is away.
    async fn call<Q, A, F>(
        &self,
        message: Q,
        rpc: impl Fn(Clients, Request<Q>) -> F,
    ) -> Result<A, Status>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let deadline = Instant::now() + RETRY_WINDOW;
        let mut pause = FIRST_PAUSE;
        loop {
            self.warm_up().await?;
            let mut request = Request::new(message.clone());
            request.set_timeout(ATTEMPT_LIMIT);
            let status =
                match tokio::time::timeout(ATTEMPT_LIMIT, rpc(self.clients(), request)).await {
                    Ok(Ok(answer)) => return Ok(answer.into_inner()),
                    Ok(Err(status)) => status,
                    Err(_) => {
                        return Err(Status::deadline_exceeded(
                            "the service did not answer within 10 s",
                        ));
                    }
                };
            let Some(asked) = retry_delay(&status) else {
                return Err(status);
            };
            if is_lost(&status) {
                self.forget_stack().await;
            }
            let wait = pause.max(asked);
            if Instant::now() + wait >= deadline {
                return Err(status);
            }
            tracing::debug!(code = ?status.code(), ?wait, "asking the service again");
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// One method for each RPC the gateway calls, all with the same start, deadline and retry.
macro_rules! rpcs {
    ($($client:ident.$rpc:ident($request:ident) -> $answer:ident;)*) => {
        impl Services {$(
            pub(crate) async fn $rpc(&self, request: v1::$request) -> Result<v1::$answer, Status> {
                self.call(request, |mut clients, request| async move { clients.$client.$rpc(request).await }).await
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

/// Whether the transport failed, rather than the service answered.
fn is_lost(status: &Status) -> bool {
    status.code() == Code::Unavailable || std::error::Error::source(status).is_some()
}

/// How long to wait before asking again; `None` if that is no use.
fn retry_delay(status: &Status) -> Option<Duration> {
    if is_lost(status) {
        return Some(Duration::ZERO);
    }
    let explained = explain(status);
    explained
        .retry_after
        .filter(|_| explained.reason == "OVERLOADED")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(code: Code, reason: &'static str) -> Status {
        let retry_after = Some(Duration::from_millis(100));
        Fault {
            code,
            reason,
            message: "m".into(),
            remedy: None,
            retry_after,
        }
        .into()
    }

    #[test]
    fn only_lost_calls_and_overload_are_sent_again() {
        assert_eq!(
            retry_delay(&Status::unavailable("gone")),
            Some(Duration::ZERO)
        );
        let overloaded = fault(Code::ResourceExhausted, "OVERLOADED");
        assert_eq!(retry_delay(&overloaded), Some(Duration::from_millis(100)));
        assert_eq!(
            retry_delay(&fault(Code::ResourceExhausted, "DISK_FULL")),
            None
        );
        assert_eq!(retry_delay(&Status::failed_precondition("stale")), None);
        assert_eq!(retry_delay(&Status::deadline_exceeded("slow")), None);
    }
}
