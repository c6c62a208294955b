//! How the services beside the checkpoint service are asked: by a tool, or on the side of one.
//!
//! A question on the side (unread messages, a heartbeat) is one attempt with a short limit. It starts nothing and
//! waits for nobody, so it can fail often and cost little.

use std::time::Duration;

use shim_runtime::service_error::ServiceError;
use tonic::{Code, Request, Response, Status};

use super::{CallPolicy, Services, call_once, retry};

/// One attempt of a tool; a service answers within a second even if its store is away.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a tool waits for a service that restarts.
const RETRY_WINDOW: Duration = Duration::from_secs(4);
/// One attempt on the side.
const BEST_EFFORT_TIMEOUT: Duration = Duration::from_millis(1_500);

/// A service: its typed clients, and whether the local stack is behind them.
pub(super) struct Upstream<C> {
    pub(super) clients: C,
    pub(super) is_local: bool,
}

/// What a service is called where it is missing.
pub(super) struct UpstreamName {
    /// The reason of the refusal.
    pub(super) reason: &'static str,
    pub(super) title: &'static str,
    pub(super) endpoint: &'static str,
}

impl<C: Clone> Upstream<C> {
    /// How a tool asks; `wait` is what the service itself takes its time for.
    pub(super) fn policy(&self, wait: Duration) -> CallPolicy {
        CallPolicy {
            starts_stack: self.is_local,
            attempt_limit: ATTEMPT_TIMEOUT + wait,
            retry_window: RETRY_WINDOW,
            retry_rule: retry::retry_unless_store_unavailable,
        }
    }

    pub(super) async fn call<Q, A, F>(
        &self,
        services: &Services,
        name: &UpstreamName,
        wait: Duration,
        message: Q,
        rpc: impl Fn(C, Request<Q>) -> F,
    ) -> Result<A, Status>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let rpc = |request| rpc(self.clients.clone(), request);
        let answer = services
            .call_with_policy(self.policy(wait), message, rpc)
            .await;
        answer.map_err(|status| name.map_status(status))
    }

    pub(super) async fn best_effort<Q, A, F>(
        &self,
        name: &UpstreamName,
        message: Q,
        rpc: impl FnOnce(C, Request<Q>) -> F,
    ) -> Result<A, Status>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let rpc = |request| rpc(self.clients.clone(), request);
        let answer = call_once(message, BEST_EFFORT_TIMEOUT, rpc).await;
        answer.map_err(|status| name.map_status(status))
    }
}

impl UpstreamName {
    /// Nothing is configured to ask.
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

    /// A server without the service says so in gRPC's words, which tell a model nothing.
    pub(super) fn map_status(&self, status: Status) -> Status {
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
