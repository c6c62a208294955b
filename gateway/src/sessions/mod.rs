//! Which sessions this process owns. The sessions themselves live in the checkpoint service; here are only their
//! epochs and the streams that hold them.
//!
//! The invariants: a session that was restored elsewhere is never taken back silently; one call opens the default
//! session however many ask for it; every held session is detached when the gateway leaves in good order.

mod hold;
mod keeper;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prost_types::Timestamp;
use serde_json::Value;
use shim_proto::checkpoint::v1::{ClientInfo, Notice, OpenSessionRequest, Session};
use tokio::task::JoinSet;
use tonic::Status;

use crate::arguments::NEW_SESSION;
use crate::evidence::MemoryGauge;
use crate::problem::Problem;
use crate::services::{Services, request_id};
use hold::{Hold, Loss, Standing};
use keeper::Keeper;

/// How long a call waits for the lease of a session it owns anyway: an attached session shows its loss at once.
const LEASE_WAIT: Duration = Duration::from_secs(2);
/// How long a call waits for the answer to an adoption, without which there is no epoch.
const ADOPTION_WAIT: Duration = Duration::from_secs(10);
/// All detaches together; clients kill a server that lingers.
const LEAVING: Duration = Duration::from_secs(1);

/// A session with the epoch this process owns it at.
#[derive(Debug, Clone)]
pub(crate) struct Owned {
    pub(crate) session_id: String,
    pub(crate) epoch: u64,
    /// Its project, where it is known without asking the service.
    pub(crate) project: Option<String>,
}

/// The sessions of this process.
pub(crate) struct Sessions {
    services: Arc<Services>,
    memory: Arc<MemoryGauge>,
    held: Mutex<HashMap<String, Arc<Hold>>>,
    keepers: Mutex<JoinSet<()>>,
    /// The session of calls that name none. The lock is held while it is opened, so it is opened once.
    default: tokio::sync::Mutex<Option<String>>,
}

impl Sessions {
    pub(crate) fn new(services: Arc<Services>, memory: Arc<MemoryGauge>) -> Self {
        Self {
            services,
            memory,
            held: Mutex::default(),
            keepers: Mutex::default(),
            default: tokio::sync::Mutex::default(),
        }
    }

    /// The session to write to: the one named, a new one, or the process's own, opened if need be.
    pub(crate) async fn claim(
        &self,
        wanted: Option<&str>,
        project: &str,
        client: &ClientInfo,
    ) -> Result<Owned, Problem> {
        match wanted {
            Some(NEW_SESSION) => {
                let mut default = self.default.lock().await;
                let owned = self.open(project, client).await?;
                *default = Some(owned.session_id.clone());
                Ok(owned)
            }
            Some(session_id) => self.take(session_id, client).await,
            None => {
                let mut default = self.default.lock().await;
                if let Some(session_id) = default.as_deref() {
                    match self.take(session_id, client).await {
                        // Ended or deleted on purpose: whoever goes on working needs another one.
                        Err(problem) if is_over(&problem) => {}
                        taken => return taken,
                    }
                }
                let owned = self.open(project, client).await?;
                *default = Some(owned.session_id.clone());
                Ok(owned)
            }
        }
    }

    async fn open(&self, project: &str, client: &ClientInfo) -> Result<Owned, Problem> {
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
        Ok(self.keep(&session, client).await)
    }

    /// The session by its id: held already, or adopted if nobody owns it.
    async fn take(&self, session_id: &str, client: &ClientInfo) -> Result<Owned, Problem> {
        let (hold, is_new) = self.hold_or_adopt(session_id, client);
        if is_new {
            self.services.warm_up().await?;
        }
        let standing = match hold.standing() {
            Standing::Attaching { epoch: 0 } => {
                tokio::time::timeout(ADOPTION_WAIT, hold.settled()).await
            }
            standing => Ok(standing),
        };
        match standing {
            Ok(Standing::Attaching { epoch } | Standing::Held { epoch }) => Ok(owned(&hold, epoch)),
            Ok(Standing::Lost(loss)) => {
                // A refusal may be lifted later; that the session was restored elsewhere must stay remembered.
                if matches!(loss, Loss::Refused(_)) {
                    self.forget(&hold);
                }
                Err(loss.problem(session_id))
            }
            Err(_) => {
                hold.leave("the session was never attached");
                self.forget(&hold);
                Err(Status::unavailable("the checkpoint service did not answer within 10 s").into())
            }
        }
    }

    fn hold_or_adopt(&self, session_id: &str, client: &ClientInfo) -> (Arc<Hold>, bool) {
        let mut held = self.held();
        if let Some(hold) = held.get(session_id) {
            return (hold.clone(), false);
        }
        let hold = Arc::new(Hold::new(session_id, 0, None));
        held.insert(session_id.to_owned(), hold.clone());
        self.start_keeper(&hold, client);
        (hold, true)
    }

    /// Takes hold of a session this process owns, in place of an older hold, which its stream ends by itself.
    async fn keep(&self, session: &Session, client: &ClientInfo) -> Owned {
        let project = Some(session.project.clone());
        let hold = Arc::new(Hold::new(&session.id, session.epoch, project));
        self.held().insert(session.id.clone(), hold.clone());
        self.start_keeper(&hold, client);
        if tokio::time::timeout(LEASE_WAIT, hold.settled())
            .await
            .is_err()
        {
            tracing::warn!(
                session = session.id,
                "the lease is not granted yet; going on"
            );
        }
        owned(&hold, session.epoch)
    }

    /// A session this process just restored: it owns it and it becomes the default.
    pub(crate) async fn restored(&self, session: &Session, client: &ClientInfo) {
        let mut default = self.default.lock().await;
        self.keep(session, client).await;
        *default = Some(session.id.clone());
    }

    fn start_keeper(&self, hold: &Arc<Hold>, client: &ClientInfo) {
        let keeper = Keeper {
            hold: hold.clone(),
            services: self.services.clone(),
            memory: self.memory.clone(),
            client: client.clone(),
        };
        let mut keepers = self.keepers();
        while keepers.try_join_next().is_some() {}
        keepers.spawn(keeper.run());
    }

    fn forget(&self, hold: &Arc<Hold>) {
        let mut held = self.held();
        if held
            .get(&hold.session_id)
            .is_some_and(|now| Arc::ptr_eq(now, hold))
        {
            held.remove(&hold.session_id);
        }
    }

    /// Turns a refused write into a problem; a stale epoch shows that the session is lost.
    pub(crate) fn refused(&self, owned: &Owned, status: Status) -> Problem {
        let problem = Problem::from(status).about(owned.session_id.as_str());
        if &*problem.reason != "STALE_OWNER" {
            return problem;
        }
        let loss = Loss::Elsewhere { owner: None };
        if let Some(hold) = self
            .find(&owned.session_id)
            .filter(|hold| hold.epoch() == owned.epoch)
        {
            hold.lose(loss.clone());
        }
        loss.problem(&owned.session_id)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Arc<Hold>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keepers(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.keepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, session_id: &str) -> Option<Arc<Hold>> {
        self.held().get(session_id).cloned()
    }

    /// Whether this process holds the session now.
    pub(crate) fn holds(&self, session_id: &str) -> bool {
        self.find(session_id).is_some_and(|hold| !hold.is_lost())
    }

    /// Whether this process owns the session now, rather than still asking for it.
    pub(crate) fn owns(&self, session_id: &str) -> bool {
        self.find(session_id).is_some_and(|hold| hold.epoch() > 0)
    }

    /// The session of calls that name none, if there is one yet.
    pub(crate) async fn default_id(&self) -> Option<String> {
        self.default.lock().await.clone()
    }

    /// The same without waiting for a call that is just opening it.
    pub(crate) fn default_id_now(&self) -> Option<String> {
        self.default.try_lock().ok()?.clone()
    }

    /// The sessions held now.
    pub(crate) fn held_ids(&self) -> Vec<String> {
        let held = self.held();
        held.values()
            .filter(|hold| !hold.is_lost())
            .map(|hold| hold.session_id.clone())
            .collect()
    }

    /// News of a session since the last call about it.
    pub(crate) fn take_notices(&self, session_id: &str) -> Vec<Value> {
        self.find(session_id)
            .map(|hold| hold.take_notices())
            .unwrap_or_default()
    }

    /// News for whoever asks next about a session this process holds.
    pub(crate) fn notify(&self, session_id: &str, kind: &str, text: String) {
        if let Some(hold) = self.find(session_id) {
            let at = Some(Timestamp::from(std::time::SystemTime::now()));
            let kind = kind.to_owned();
            hold.notify(Notice { kind, text, at });
        }
    }

    /// Leaves every session held until the process ends. Closing a stream would be taken for a farewell, so its keeper
    /// keeps it open to the last.
    pub(crate) fn abandon(&self) {
        self.keepers().detach_all();
    }

    /// Detaches every session, within a second.
    pub(crate) async fn leave(&self, reason: &str) {
        for hold in self.held().values() {
            hold.leave(reason);
        }
        let mut keepers = std::mem::take(&mut *self.keepers());
        let all = async { while keepers.join_next().await.is_some() {} };
        if tokio::time::timeout(LEAVING, all).await.is_err() {
            tracing::warn!("some sessions could not be detached in time");
        }
    }
}

fn owned(hold: &Hold, epoch: u64) -> Owned {
    Owned {
        session_id: hold.session_id.clone(),
        epoch,
        project: hold.project.clone(),
    }
}

/// Whether the session is there no more, rather than somebody else's.
fn is_over(problem: &Problem) -> bool {
    matches!(&*problem.reason, "SESSION_ENDED" | "SESSION_NOT_FOUND")
}
