//! The services as a hook sees them: one connection to the stack's socket, or to the configured endpoints, and one
//! deadline for all that is asked.

use std::path::Path;
use std::time::Duration;

use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::observation_service_client::ObservationServiceClient;
use shim_proto::checkpoint::v1::{
    GetGuidanceRequest, GetGuidanceResponse, GetSessionRequest, ObservedEvent, ReportEventsRequest,
    Session,
};
use shim_proto::coordination::v1::bus_service_client::BusServiceClient;
use shim_proto::coordination::v1::lock_service_client::LockServiceClient;
use shim_proto::coordination::v1::registry_service_client::RegistryServiceClient;
use shim_proto::coordination::v1::task_service_client::TaskServiceClient;
use shim_proto::limits::MAX_MESSAGE_BYTES;
use shim_proto::worker::v1::worker_service_client::WorkerServiceClient;
use shim_runtime::client::{self, Channel, Endpoint};
use shim_runtime::workspace::{Workspace, namespace};
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status};

use super::HookConfig;
use crate::config::Config;
use crate::service::credentials;

/// The folder in which the client was started, which it tells its hooks.
const PROJECT_DIR: &str = "CLAUDE_PROJECT_DIR";

/// From the deadline to the service's own.
const GRACE: Duration = Duration::from_millis(100);

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// The service is away or late: what it was told is to be told again.
    #[error("{0}")]
    Away(String),
    /// It refused, and would again.
    #[error("{0}")]
    Refused(String),
}

/// The services within a deadline. Nothing is connected before the first call.
#[derive(Clone)]
pub(crate) struct HookStack {
    observations: ObservationServiceClient<Channel>,
    sessions: CheckpointServiceClient<Channel>,
    coordination: Option<Channel>,
    worker: Option<Channel>,
    settings: HookConfig,
    workspace: Option<String>,
    is_local: bool,
    until: Instant,
}

impl HookStack {
    /// The services of this configuration, for so long.
    ///
    /// # Errors
    /// If the credentials cannot be read.
    pub(crate) fn of(config: &Config, within: Duration) -> Result<Self, Trouble> {
        let away = |what: String| Trouble::Away(what);
        let credentials = credentials(config).map_err(|why| away(why.to_string()))?;
        let connect = |endpoint: &Endpoint| {
            client::connect(endpoint, Some(&credentials)).map_err(|why| away(why.to_string()))
        };
        let endpoints = &config.runtime.endpoints;
        let local = Endpoint::Unix(config.stack().socket());
        let checkpoint = connect(endpoints.checkpoint.as_ref().unwrap_or(&local))?;
        // A local stack beside a configured checkpoint service would know other sessions.
        let of_stack = endpoints.checkpoint.is_none().then(|| checkpoint.clone());
        let other = |configured: &Option<Endpoint>| match configured {
            Some(endpoint) => connect(endpoint).map(Some),
            None => Ok(of_stack.clone()),
        };
        Ok(Self {
            sessions: CheckpointServiceClient::new(checkpoint.clone()),
            observations: ObservationServiceClient::new(checkpoint)
                .max_decoding_message_size(MAX_MESSAGE_BYTES),
            coordination: other(&endpoints.coordination)?,
            worker: other(&endpoints.worker)?,
            settings: config.hook,
            workspace: config.runtime.workspace.clone(),
            is_local: endpoints.checkpoint.is_none(),
            until: Instant::now() + within,
        })
    }

    /// The same services, for so long from now on.
    pub(crate) fn within(&self, within: Duration) -> Self {
        Self {
            until: Instant::now() + within,
            ..self.clone()
        }
    }

    /// What hooks may do.
    pub(crate) fn settings(&self) -> &HookConfig {
        &self.settings
    }

    /// Whether the checkpoint service is that of this machine's stack.
    pub(crate) fn is_local(&self) -> bool {
        self.is_local
    }

    /// The time after which nothing is waited for.
    pub(crate) fn deadline(&self) -> Instant {
        self.until
    }

    /// The workspace of a conversation in this folder: the name that is configured, else that of the repository around the
    /// client's own folder, as the gateway names it.
    pub(crate) fn workspace(&self, cwd: &Path) -> Workspace {
        let project = std::env::var_os(PROJECT_DIR).map(std::path::PathBuf::from);
        let project = project.filter(|folder| folder.is_absolute());
        let mut workspace = Workspace::containing(project.as_deref().unwrap_or(cwd));
        if let Some(name) = &self.workspace {
            workspace.name = namespace(name);
        }
        workspace
    }

    /// What is observed.
    pub(crate) fn observations(&self) -> ObservationServiceClient<Channel> {
        self.observations.clone()
    }

    /// A session by its id; `None` if there is none, or it cannot be known now.
    pub(crate) async fn session(&self, id: &str) -> Option<Session> {
        let session_id = id.to_owned();
        let request = self.request(GetSessionRequest { session_id });
        let mut client = self.sessions.clone();
        self.answer(client.get_session(request)).await.ok()?.session
    }

    /// Locks and leases on files; `None` if no coordination service belongs to the checkpoint service.
    pub(crate) fn locks(&self) -> Option<LockServiceClient<Channel>> {
        self.coordination.clone().map(LockServiceClient::new)
    }

    /// Messages; `None` as for [`Self::locks`].
    pub(crate) fn bus(&self) -> Option<BusServiceClient<Channel>> {
        self.coordination.clone().map(BusServiceClient::new)
    }

    /// Workers; `None` as for [`Self::locks`].
    pub(crate) fn registry(&self) -> Option<RegistryServiceClient<Channel>> {
        self.coordination.clone().map(RegistryServiceClient::new)
    }

    /// Jobs and their tasks; `None` as for [`Self::locks`].
    pub(crate) fn tasks(&self) -> Option<TaskServiceClient<Channel>> {
        self.coordination.clone().map(TaskServiceClient::new)
    }

    /// Claims and reports of workers; `None` as for [`Self::locks`].
    pub(crate) fn worker(&self) -> Option<WorkerServiceClient<Channel>> {
        let worker = self.worker.clone().map(WorkerServiceClient::new);
        worker.map(|client| client.max_decoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// A request that the service gives up soon after the deadline, too.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        // Later than the deadline here, which says what happened.
        request.set_timeout(self.until.saturating_duration_since(Instant::now()) + GRACE);
        request
    }

    /// The answer of a call, before the deadline.
    ///
    /// # Errors
    /// If the service is away, is late, or refuses.
    pub(crate) async fn answer<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Trouble> {
        match tokio::time::timeout_at(self.until, call).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(trouble(&status)),
            Err(_) => Err(Trouble::Away("the stack did not answer in time".to_owned())),
        }
    }

    /// Keeps an event, and asks what may be said.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub(crate) async fn guidance(
        &self,
        event: &ObservedEvent,
    ) -> Result<GetGuidanceResponse, Trouble> {
        let event = Some(event.clone());
        let request = self.request(GetGuidanceRequest { event });
        let mut client = self.observations();
        self.answer(client.get_guidance(request)).await
    }

    /// Keeps events.
    ///
    /// # Errors
    /// As [`Self::answer`]; if the service refused one of them.
    pub(crate) async fn report(&self, events: Vec<ObservedEvent>) -> Result<(), Trouble> {
        let request = self.request(ReportEventsRequest { events });
        let mut client = self.observations();
        let kept = self.answer(client.report_events(request)).await?;
        match kept.refused.into_iter().next() {
            Some(refused) => Err(Trouble::Refused(refused.reason)),
            None => Ok(()),
        }
    }
}

/// Whether telling it again may help. A stack of an older version knows no such call; a newer one will.
fn trouble(status: &Status) -> Trouble {
    let what = status.message().to_owned();
    match status.code() {
        Code::InvalidArgument | Code::FailedPrecondition | Code::NotFound | Code::OutOfRange => {
            Trouble::Refused(what)
        }
        code if what.is_empty() => Trouble::Away(code.description().to_owned()),
        _ => Trouble::Away(cause(status).unwrap_or(what)),
    }
}

/// What lies below a failure of the transport, which itself says little.
fn cause(status: &Status) -> Option<String> {
    let mut error = std::error::Error::source(status)?;
    while let Some(deeper) = error.source() {
        error = deeper;
    }
    Some(error.to_string())
}
