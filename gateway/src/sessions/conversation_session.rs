//! The session that a conversation has already: of a client that connected anew or resumed the conversation, or opened by
//! what the client told by itself. The first save goes on with it instead of beginning another one.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use shim_proto::checkpoint::v1::{
    ClientInfo, GetSessionRequest, ListSessionsRequest, Session, SessionStatus,
};
use shim_proto::reasons::SESSION_OWNED;
use shim_render::text::one_line;
use shim_runtime::{conversation, process};
use tokio::time::Instant;
use tonic::{Code, Status};

use super::default_session::DefaultSession;
use super::session_lease::LeaseLoss;
use super::{OwnedSession, Sessions, is_over};
use crate::tool_error::ToolError;

/// How many sessions are looked through, the most recently changed first.
const LOOKED_THROUGH: i32 = 200;
/// How long the service may take to notice that an owner died.
const DEATH_NOTICED: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Why a session is detached, as the service hears it.
const LEFT: &str = "the window went on to another conversation";

impl Sessions {
    /// Leaves what is held for another conversation than this one. Answers the sessions left.
    pub(crate) fn enter_conversation(&self, conversation: &str) -> Vec<String> {
        let Some(before) = self.default_session().enter(conversation) else {
            return Vec::new();
        };
        let mut leases = self.leases();
        let of_before = leases.extract_if(|_, lease| lease.conversation == before);
        of_before
            .map(|(session_id, lease)| {
                lease.request_detach(LEFT);
                session_id
            })
            .collect()
    }

    /// Makes a session the one of calls that name none. Its next answer says so if it takes the place of another
    /// conversation's.
    pub(super) fn set_default(&self, session_id: &str, client: &ClientInfo) {
        let left = self.default_session().set(session_id, &client.conversation);
        if let Some(left) = left {
            let text = format!(
                "this window has another conversation now, with this session of its own; session {left} of the one before was \
                 left as it is, and shim_check_recovery brings it back"
            );
            self.notify(session_id, "conversation_changed", text);
        }
    }

    /// The session of calls that name none, if there is one yet; does not wait for a call that is opening it.
    pub(crate) fn default_id(&self) -> Option<String> {
        self.default_session().session_id()
    }

    fn default_session(&self) -> MutexGuard<'_, DefaultSession> {
        self.default.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the newest session of this conversation; `None` if it has none that could be gone on with.
    pub(super) async fn continue_conversation(
        &self,
        project: &str,
        client: &ClientInfo,
    ) -> Result<Option<OwnedSession>, ToolError> {
        let Some(session) = self.session_of_conversation(project, client).await? else {
            return Ok(None);
        };
        self.until_death_is_noticed(&session).await;
        match self.acquire_existing(&session.id, client).await {
            Ok(owned) => {
                self.notify(&session.id, "session_continued", continued(&session));
                Ok(Some(owned))
            }
            // It was ended, or another process went on with the conversation, in between.
            Err(error) if is_over(&error) || &*error.reason == SESSION_OWNED => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The session of the client's conversation, for a call that only looks; none is opened or taken for it.
    pub(crate) async fn id_of_conversation(
        &self,
        project: &str,
        client: &ClientInfo,
    ) -> Result<Option<String>, Status> {
        let found = self.session_of_conversation(project, client).await?;
        Ok(found.map(|session| session.id))
    }

    /// Among the project's sessions, then among all: what a client tells by itself may name another folder.
    async fn session_of_conversation(
        &self,
        project: &str,
        client: &ClientInfo,
    ) -> Result<Option<Session>, Status> {
        if client.conversation.is_empty() {
            return Ok(None);
        }
        for project in [project, ""] {
            let request = ListSessionsRequest {
                project: project.to_owned(),
                page_size: LOOKED_THROUGH,
                ..ListSessionsRequest::default()
            };
            let page = self.services.list_sessions(request).await?;
            let is_found = |session: &Session| is_to_be_continued(session, client);
            if let Some(found) = page.sessions.into_iter().find(is_found) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Waits until the service knows that the owner is dead, if it is: before that nobody else gets the session.
    async fn until_death_is_noticed(&self, session: &Session) {
        let is_held_by_dead = |session: &Session| {
            session.status() == SessionStatus::Active
                && session.client.as_ref().is_some_and(is_dead_here)
        };
        let until = Instant::now() + DEATH_NOTICED;
        let mut is_held = is_held_by_dead(session);
        while is_held && Instant::now() < until {
            tokio::time::sleep(LOOK_EVERY).await;
            let request = GetSessionRequest {
                session_id: session.id.clone(),
            };
            let now = self.services.get_session(request).await.ok();
            is_held = now
                .and_then(|now| now.session)
                .is_some_and(|now| is_held_by_dead(&now));
        }
    }

    /// Asks what became of a session that this process lost to another client: who took it, and whether it is still there.
    pub(super) async fn learn_fate(&self, session_id: &str) {
        let Some(lease) = self.find(session_id).filter(|lease| lease.is_taken_over()) else {
            return;
        };
        let request = GetSessionRequest {
            session_id: session_id.to_owned(),
        };
        match self.services.get_session(request).await {
            Ok(answer) => {
                let Some(session) = answer.session else {
                    return;
                };
                if self.seen.is_behind(session_id, session.epoch) {
                    // Nobody took it: a backup was restored. It is asked for anew.
                    self.forget(&lease);
                } else {
                    lease.name_owner(session.client);
                }
            }
            // It was deleted since: nobody can take it back.
            Err(status) if status.code() == Code::NotFound => {
                lease.mark_lost(LeaseLoss::Refused(ToolError::from(status)));
            }
            // Without an answer it stays lost as it was.
            Err(_) => {}
        }
    }
}

fn is_to_be_continued(session: &Session, client: &ClientInfo) -> bool {
    let Some(owner) = &session.client else {
        return false;
    };
    match session.status() {
        SessionStatus::Active => {
            conversation::is_same_client(owner, client)
                || (conversation::is_same(owner, client) && is_dead_here(owner))
        }
        SessionStatus::Interrupted => {
            session.dismissed_at.is_none() && conversation::is_same(owner, client)
        }
        _ => false,
    }
}

/// Whether a client of this machine is known to be gone.
fn is_dead_here(owner: &ClientInfo) -> bool {
    if owner.hostname != process::hostname() {
        return false;
    }
    let known = owner.client_process.filter(|client| client.pid != 0);
    let is_of_earlier_boot = !owner.boot_id.is_empty() && owner.boot_id != process::boot_id();
    is_of_earlier_boot || known.is_some_and(|client| !process::is_alive(&client))
}

fn continued(session: &Session) -> String {
    let stand = match session.head_number {
        0 => "it has no checkpoint yet".to_owned(),
        number => format!(
            "checkpoint {number} was on: {}",
            one_line(&session.current_task, 200)
        ),
    };
    format!(
        "this conversation goes on with its session ({stand}); shim_auto_checkpoint session_id=new starts another one"
    )
}
