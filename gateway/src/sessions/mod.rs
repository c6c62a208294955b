//! The sessions that this process owns: their epochs and the streams that hold their leases. The sessions themselves
//! live in the checkpoint service.
//!
//! The invariants: a session that was restored elsewhere is never taken back silently, unless an older or newer gateway of
//! the same client has it for the same conversation; one call opens the default session however many ask for it; every
//! held session is detached when the gateway leaves in good order.

mod conversation_session;
mod default_session;
mod lease_task;
mod missing_session;
mod seen_checkpoints;
mod session_lease;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prost_types::Timestamp;
use serde_json::Value;
use shim_proto::checkpoint::v1::{ClientInfo, Notice, OpenSessionRequest, Session};
use shim_proto::reasons::{SESSION_ENDED, SESSION_NOT_FOUND, STALE_OWNER};
use shim_runtime::background::BackgroundTasks;
use tonic::Status;

use crate::arguments::NEW_SESSION;
use crate::services::{Services, request_id};
use crate::tool_error::ToolError;
use default_session::DefaultSession;
use lease_task::LeaseTask;
use seen_checkpoints::SeenCheckpoints;
use session_lease::{LeaseLoss, LeaseState, SessionLease};

/// How long a call waits for the lease of a session that it owns anyway: an attached session shows its loss at once.
const LEASE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a call waits for the answer to an adoption, without which there is no epoch.
const ADOPTION_TIMEOUT: Duration = Duration::from_secs(10);

/// A session with the epoch this process owns it at.
#[derive(Debug, Clone)]
pub(crate) struct OwnedSession {
    pub(crate) session_id: String,
    pub(crate) epoch: u64,
    /// Its project, where it is known without asking the service.
    pub(crate) project: Option<String>,
}

/// The sessions of this process.
pub(crate) struct Sessions {
    services: Arc<Services>,
    leases: Mutex<HashMap<String, Arc<SessionLease>>>,
    seen: Arc<SeenCheckpoints>,
    tasks: BackgroundTasks,
    /// The session of calls that name none. Never locked over an RPC: calls that only look read it at any time.
    default: Mutex<DefaultSession>,
    /// Held by the call that opens or restores the default session, so that it is opened once.
    opening: tokio::sync::Mutex<()>,
}

impl Sessions {
    pub(crate) fn new(services: Arc<Services>, tasks: BackgroundTasks) -> Self {
        Self {
            services,
            leases: Mutex::default(),
            seen: Arc::default(),
            tasks,
            default: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
        }
    }

    /// The session to write to: the one named, a new one, or the process's own, opened if need be.
    pub(crate) async fn acquire(
        &self,
        wanted: Option<&str>,
        project: &str,
        client: &ClientInfo,
    ) -> Result<OwnedSession, ToolError> {
        match wanted {
            Some(NEW_SESSION) => {
                let _opening = self.opening.lock().await;
                self.open_new_default(project, client).await
            }
            Some(session_id) => self.acquire_named(session_id, project, client).await,
            None => {
                if let Some(outcome) = self.acquire_default(client).await {
                    return outcome;
                }
                let _opening = self.opening.lock().await;
                // Another call may have opened it while this one waited.
                match self.acquire_default(client).await {
                    Some(outcome) => outcome,
                    None => self.open_default(project, client).await,
                }
            }
        }
    }

    /// The default session; `None` if there is none, or if it was ended or deleted on purpose.
    async fn acquire_default(
        &self,
        client: &ClientInfo,
    ) -> Option<Result<OwnedSession, ToolError>> {
        let session_id = self.default_id()?;
        match self.acquire_existing(&session_id, client).await {
            Err(error) if is_over(&error) => {
                self.note_refusal(&session_id, &error);
                None
            }
            outcome => Some(outcome),
        }
    }

    /// Goes on with the session that this conversation had before its gateway was started again, or opens one; it becomes
    /// the default. The caller holds `opening`.
    async fn open_default(
        &self,
        project: &str,
        client: &ClientInfo,
    ) -> Result<OwnedSession, ToolError> {
        match self.continue_conversation(project, client).await? {
            Some(owned) => {
                self.set_default(&owned.session_id, client);
                Ok(owned)
            }
            None => self.open_new_default(project, client).await,
        }
    }

    /// Opens a session and makes it the default. The caller holds `opening`.
    async fn open_new_default(
        &self,
        project: &str,
        client: &ClientInfo,
    ) -> Result<OwnedSession, ToolError> {
        let before = self.default_id();
        let owned = self.open(project, client).await?;
        self.set_default(&owned.session_id, client);
        if let Some(before) = before.filter(|before| self.seen.is_missing(before)) {
            self.note_moved(&before, &owned.session_id);
        }
        Ok(owned)
    }

    async fn open(&self, project: &str, client: &ClientInfo) -> Result<OwnedSession, ToolError> {
        let request = OpenSessionRequest {
            request_id: request_id(),
            project: project.to_owned(),
            title: String::new(),
            client: Some(client.clone()),
        };
        let answer = self.services.open_session(request).await?;
        let session = answer
            .session
            .ok_or_else(|| Status::internal("the service opened no session"))?;
        Ok(self.start_lease(&session, client).await)
    }

    /// The session by its id: held already, or adopted if no process of another client owns it.
    async fn acquire_existing(
        &self,
        session_id: &str,
        client: &ClientInfo,
    ) -> Result<OwnedSession, ToolError> {
        self.learn_fate(session_id).await;
        let (lease, is_new) = self.find_or_adopt(session_id, client);
        if is_new {
            self.services.warm_up().await?;
        }
        let state = match lease.state() {
            LeaseState::Attaching { epoch: 0 } => {
                tokio::time::timeout(ADOPTION_TIMEOUT, lease.wait_settled()).await
            }
            state => Ok(state),
        };
        match state {
            Ok(LeaseState::Attaching { epoch } | LeaseState::Held { epoch }) => {
                Ok(owned(&lease, epoch))
            }
            Ok(LeaseState::Lost(loss)) => {
                // A refusal may be lifted later; that the session was restored elsewhere must stay remembered.
                if matches!(loss, LeaseLoss::Refused(_)) {
                    self.forget(&lease);
                }
                Err(loss.to_error(session_id))
            }
            Err(_) => {
                lease.request_detach("the session was never attached");
                self.forget(&lease);
                Err(Status::unavailable("the checkpoint service did not answer within 10 s").into())
            }
        }
    }

    fn find_or_adopt(&self, session_id: &str, client: &ClientInfo) -> (Arc<SessionLease>, bool) {
        let mut leases = self.leases();
        let known = leases
            .get(session_id)
            .filter(|lease| !lease.is_lost_to_same_client(client));
        if let Some(lease) = known {
            return (lease.clone(), false);
        }
        let lease = SessionLease::new(session_id, 0, None, &client.conversation);
        let lease = Arc::new(lease);
        leases.insert(session_id.to_owned(), lease.clone());
        self.start_lease_task(&lease, client);
        (lease, true)
    }

    /// Starts the lease of a session this process owns. An older lease of it is replaced; its stream ends by itself.
    async fn start_lease(&self, session: &Session, client: &ClientInfo) -> OwnedSession {
        let project = Some(session.project.clone());
        self.seen.note_owned(&session.id, session.epoch);
        self.seen.note_head(&session.id, 0, session.head_number);
        let conversation = &client.conversation;
        let lease = SessionLease::new(&session.id, session.epoch, project, conversation);
        let lease = Arc::new(lease);
        self.leases().insert(session.id.clone(), lease.clone());
        self.start_lease_task(&lease, client);
        if tokio::time::timeout(LEASE_TIMEOUT, lease.wait_settled())
            .await
            .is_err()
        {
            tracing::warn!(
                session = session.id,
                "the lease is not granted yet; going on"
            );
        }
        owned(&lease, session.epoch)
    }

    /// A session this process just restored: it owns it and it becomes the default.
    pub(crate) async fn adopt_restored(&self, session: &Session, client: &ClientInfo) {
        let _opening = self.opening.lock().await;
        self.start_lease(session, client).await;
        self.set_default(&session.id, client);
    }

    fn start_lease_task(&self, lease: &Arc<SessionLease>, client: &ClientInfo) {
        let lease_task = LeaseTask {
            lease: lease.clone(),
            services: self.services.clone(),
            seen: self.seen.clone(),
            client: client.clone(),
        };
        self.tasks
            .spawn_restarting("session_lease", move || lease_task.clone().run());
    }

    fn forget(&self, lease: &Arc<SessionLease>) {
        let mut leases = self.leases();
        if leases
            .get(&lease.session_id)
            .is_some_and(|now| Arc::ptr_eq(now, lease))
        {
            leases.remove(&lease.session_id);
        }
    }

    /// Turns a refused write into an error; a stale epoch shows that the session is lost.
    pub(crate) fn record_refusal(&self, owned: &OwnedSession, status: Status) -> ToolError {
        let error = ToolError::from(status).about(owned.session_id.as_str());
        if &*error.reason == SESSION_NOT_FOUND && self.note_refusal(&owned.session_id, &error) {
            // Its lease does not know yet; the next call asks anew.
            if let Some(lease) = self.find(&owned.session_id) {
                lease.mark_lost(LeaseLoss::Refused(error.clone()));
            }
        }
        if &*error.reason != STALE_OWNER {
            return error;
        }
        let loss = LeaseLoss::TakenOver { owner: None };
        if let Some(lease) = self
            .find(&owned.session_id)
            .filter(|lease| lease.epoch() == owned.epoch)
        {
            lease.mark_lost(loss.clone());
        }
        loss.to_error(&owned.session_id)
    }

    fn leases(&self) -> MutexGuard<'_, HashMap<String, Arc<SessionLease>>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, session_id: &str) -> Option<Arc<SessionLease>> {
        self.leases().get(session_id).cloned()
    }

    /// Whether this process holds the session now.
    pub(crate) fn has_lease(&self, session_id: &str) -> bool {
        self.find(session_id).is_some_and(|lease| !lease.is_lost())
    }

    /// Whether this process owns the session now, rather than still asking for it.
    pub(crate) fn owns(&self, session_id: &str) -> bool {
        self.find(session_id).is_some_and(|lease| lease.epoch() > 0)
    }

    /// The sessions held now.
    pub(crate) fn leased_ids(&self) -> Vec<String> {
        let leases = self.leases();
        leases
            .values()
            .filter(|lease| !lease.is_lost())
            .map(|lease| lease.session_id.clone())
            .collect()
    }

    /// The notices of a session since the last call about it.
    pub(crate) fn take_notices(&self, session_id: &str) -> Vec<Value> {
        self.find(session_id)
            .map(|lease| lease.take_notices())
            .unwrap_or_default()
    }

    /// Keeps a notice for the next call about a session this process holds.
    pub(crate) fn notify(&self, session_id: &str, kind: &str, text: String) {
        if let Some(lease) = self.find(session_id) {
            let at = Some(Timestamp::from(std::time::SystemTime::now()));
            let kind = kind.to_owned();
            lease.notify(Notice { kind, text, at });
        }
    }

    /// Asks every lease task to detach its session.
    pub(crate) fn request_detach(&self, reason: &str) {
        for lease in self.leases().values() {
            lease.request_detach(reason);
        }
    }
}

fn owned(lease: &SessionLease, epoch: u64) -> OwnedSession {
    OwnedSession {
        session_id: lease.session_id.clone(),
        epoch,
        project: lease.project.clone(),
    }
}

/// Whether the session is gone, rather than owned by another process.
fn is_over(error: &ToolError) -> bool {
    matches!(&*error.reason, SESSION_ENDED | SESSION_NOT_FOUND)
}
