//! What every request works with: the services, the sessions of this process with their inboxes, workers and claims,
//! and the evidence around it.

use std::sync::Arc;
use std::time::Duration;

use shim_proto::checkpoint::v1::ClientInfo;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::config::Config as RuntimeConfig;
use shim_runtime::lifecycle::Shutdown;

use crate::claims::Claims;
use crate::config::ClientContext;
use crate::error::GatewayError;
use crate::evidence::MemoryGauge;
use crate::inboxes::Inboxes;
use crate::services::Services;
use crate::sessions::Sessions;
use crate::workers::Workers;

/// A client that was killed closes our input a moment before the kernel shows its death.
const DEATH_CHECK_DELAY: Duration = Duration::from_millis(50);

/// For all detaches and deregistrations together; clients kill a server that lingers.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// One per process, shared by all its connections.
pub(crate) struct Gateway {
    pub(crate) services: Arc<Services>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) inboxes: Arc<Inboxes>,
    pub(crate) claims: Arc<Claims>,
    pub(crate) workers: Arc<Workers>,
    pub(crate) memory: Arc<MemoryGauge>,
    pub(crate) client_context: ClientContext,
    /// The namespace of file leases (`workspace`); unset, that of each session's project.
    pub(crate) workspace: Option<String>,
    tasks: BackgroundTasks,
}

impl Gateway {
    /// Prepares everything and opens nothing: a client waits for the answer to its first request, and one that only looks what
    /// there is, as a health check does, leaves nothing behind.
    pub(crate) fn prepare(
        runtime: &RuntimeConfig,
        client_context: ClientContext,
        shutdown: &Shutdown,
    ) -> Result<Arc<Self>, GatewayError> {
        let tasks = BackgroundTasks::new("gateway", shutdown);
        let services = Arc::new(Services::prepare(runtime)?);
        let memory = Arc::new(MemoryGauge::of(client_context.client.process()));
        let sessions = Arc::new(Sessions::new(services.clone(), tasks.clone()));
        let claims = Arc::new(Claims::new(services.clone()));
        Ok(Arc::new(Self {
            inboxes: Arc::new(Inboxes::new(services.clone(), tasks.clone())),
            workers: Arc::new(Workers::new(
                services.clone(),
                sessions.clone(),
                claims.clone(),
                tasks.clone(),
            )),
            claims,
            services,
            sessions,
            memory,
            client_context,
            workspace: runtime.workspace.clone(),
            tasks,
        }))
    }

    /// The client of a call, in the conversation that its process has now. What was held for another conversation is left in
    /// good order: its sessions are detached, and its workers give their tasks back.
    pub(crate) async fn client_of_call(&self, name: &str, version: &str) -> ClientInfo {
        let client = self.client_context.client_info(name, version).await;
        for left in self.sessions.enter_conversation(&client.conversation) {
            self.inboxes.forget(&left);
            self.workers.notify_load_changed(&left);
        }
        client
    }

    /// Leaves in good order, within a second: every worker deregisters, every session is detached, and the background
    /// tasks of calls end.
    pub(crate) async fn close(&self, reason: &str) {
        self.workers.request_deregister(reason);
        self.sessions.request_detach(reason);
        if tokio::time::timeout(CLOSE_TIMEOUT, self.tasks.finish())
            .await
            .is_err()
        {
            tracing::warn!("some sessions or workers could not be left in time");
        }
    }

    /// Whether the client behind the closed input died. The sessions of a dead client are left as they are: the service
    /// then finds them interrupted by a death and not by a farewell.
    pub(crate) async fn is_client_dead(&self) -> bool {
        let client = &self.client_context.client;
        if client.process().is_none() {
            return false;
        }
        if !client.is_dead() {
            tokio::time::sleep(DEATH_CHECK_DELAY).await;
        }
        client.is_dead()
    }
}
