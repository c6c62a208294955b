//! One service behind the gateway, and the one way to call it.
//!
//! A call has a policy. A tool's own call starts the local stack and waits for a service that is away. A call on the
//! side of a tool (unread messages, a heartbeat) is one attempt with a short limit: it starts nothing and waits for
//! nothing, so its failure costs little.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shim_runtime::backoff::Backoff;
use shim_runtime::client::Channel;
use shim_runtime::service_error::ServiceError;
use tonic::{Code, Request, Response, Status};

use super::local_stack::LocalStack;
use super::retry::{self, RetryRule};

const FIRST_BACKOFF: Duration = Duration::from_millis(20);
const LONGEST_BACKOFF: Duration = Duration::from_millis(500);

/// How a call is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallPolicy {
    /// Whether the call starts the local stack, if that serves the upstream.
    starts_stack: bool,
    attempt_limit: Duration,
    /// How long the call waits for a service to come back.
    retry_window: Duration,
    retry_rule: RetryRule,
}

impl CallPolicy {
    /// A call of the checkpoint service; a healthy service answers in milliseconds.
    pub(super) const CHECKPOINT: Self = Self {
        starts_stack: true,
        attempt_limit: Duration::from_secs(10),
        retry_window: Duration::from_secs(10),
        retry_rule: retry::retry_until_back,
    };
    /// A tool's own call of another service, which answers within a second even if its store is away.
    pub(super) const TOOL: Self = Self {
        starts_stack: true,
        attempt_limit: Duration::from_secs(4),
        retry_window: Duration::from_secs(4),
        retry_rule: retry::retry_unless_store_unavailable,
    };
    /// A call on the side of a tool.
    pub(super) const BEST_EFFORT: Self = Self {
        starts_stack: false,
        attempt_limit: Duration::from_millis(1_500),
        retry_window: Duration::ZERO,
        retry_rule: retry::never,
    };

    /// The same for a call whose answer the service itself delays by `wait`.
    pub(super) fn with_wait(self, wait: Duration) -> Self {
        Self {
            attempt_limit: self.attempt_limit + wait,
            ..self
        }
    }
}

/// The words for a service that is missing.
#[derive(Debug)]
pub(super) struct UpstreamName {
    /// The reason of the refusal.
    pub(super) reason: &'static str,
    pub(super) title: &'static str,
    /// The key of its endpoint in the configuration.
    pub(super) endpoint: &'static str,
}

/// A service: the connection to it, and the local stack if that serves it.
pub(super) struct Upstream {
    /// Unset for the checkpoint service, which no gateway is without.
    pub(super) name: Option<&'static UpstreamName>,
    pub(super) channel: Channel,
    pub(super) stack: Option<Arc<LocalStack>>,
}

impl Upstream {
    /// Calls an RPC by a policy.
    pub(super) async fn call<Q, A, F>(
        &self,
        policy: CallPolicy,
        message: Q,
        rpc: impl Fn(Channel, Request<Q>) -> F,
    ) -> Result<A, Status>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let stack = self.stack.as_ref().filter(|_| policy.starts_stack);
        let deadline = Instant::now() + policy.retry_window;
        let mut backoff = Backoff::new(FIRST_BACKOFF, LONGEST_BACKOFF);
        let mut attempts = 0;
        loop {
            if let Some(stack) = stack {
                stack.ensure_running().await?;
            }
            let attempt = |request| rpc(self.channel.clone(), request);
            let status = match call_once(message.clone(), policy.attempt_limit, attempt).await {
                Ok(answer) => return Ok(answer),
                Err(status) => status,
            };
            attempts += 1;
            if let Some(stack) = stack.filter(|_| retry::is_connection_lost(&status)) {
                stack.forget().await;
            }
            let wait = (policy.retry_rule)(&status, attempts);
            let wait = wait.map(|delay| delay.max(backoff.next_delay()));
            let Some(wait) = wait.filter(|wait| Instant::now() + *wait < deadline) else {
                return Err(match self.name {
                    Some(name) => name.map_status(status),
                    None => status,
                });
            };
            tracing::debug!(code = ?status.code(), ?wait, "asking the service again");
            tokio::time::sleep(wait).await;
        }
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

impl UpstreamName {
    /// The refusal of a call whose service has no endpoint.
    pub(super) fn missing(&self) -> Status {
        self.refusal(
            format!(
                "no {} is connected: only other endpoints are configured",
                self.title
            ),
            format!(
                "the user can set {}; saving, recovery, signals and search work without it",
                self.endpoint
            ),
        )
    }

    /// A server without the service answers in gRPC's words, which say nothing to a model.
    fn map_status(&self, status: Status) -> Status {
        if status.code() != Code::Unimplemented {
            return status;
        }
        self.refusal(
            format!(
                "the server behind {} has no such service; it may be an older version",
                self.endpoint
            ),
            "the user can restart it (`shim down` ends a local stack, and the next call starts it again)"
                .to_owned(),
        )
    }

    fn refusal(&self, message: String, remedy: String) -> Status {
        ServiceError {
            code: Code::FailedPrecondition,
            reason: self.reason,
            message,
            remedy: Some(remedy),
            retry_after: None,
        }
        .into()
    }
}
