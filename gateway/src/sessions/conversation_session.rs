//! The session of a conversation whose gateway was started again, by a client that connected anew or resumed the
//! conversation: its first save goes on with the session instead of beginning another one.

use shim_proto::checkpoint::v1::{
    ClientInfo, GetSessionRequest, ListSessionsRequest, Session, SessionStatus,
};
use shim_proto::reasons::SESSION_OWNED;
use shim_render::text::one_line;
use shim_runtime::conversation;
use tonic::{Code, Status};

use super::session_lease::LeaseLoss;
use super::{OwnedSession, Sessions, is_over};
use crate::tool_error::ToolError;

/// How many of a project's sessions are looked through, the most recently changed first.
const LOOKED_THROUGH: i32 = 200;

impl Sessions {
    /// Takes the newest session of this conversation; `None` if it has none that could be gone on with.
    pub(super) async fn continue_conversation(
        &self,
        project: &str,
        client: &ClientInfo,
    ) -> Result<Option<OwnedSession>, ToolError> {
        let Some(session) = self.session_of_conversation(project, client).await? else {
            return Ok(None);
        };
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

    async fn session_of_conversation(
        &self,
        project: &str,
        client: &ClientInfo,
    ) -> Result<Option<Session>, Status> {
        if client.conversation.is_empty() {
            return Ok(None);
        }
        let request = ListSessionsRequest {
            project: project.to_owned(),
            page_size: LOOKED_THROUGH,
            ..ListSessionsRequest::default()
        };
        let page = self.services.list_sessions(request).await?;
        Ok(page
            .sessions
            .into_iter()
            .find(|session| is_to_be_continued(session, client)))
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
        SessionStatus::Active => conversation::is_same_client(owner, client),
        SessionStatus::Interrupted => {
            session.dismissed_at.is_none() && conversation::is_same(owner, client)
        }
        _ => false,
    }
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
        "this conversation goes on with its session {} ({stand}); shim_auto_checkpoint session_id=new starts another one",
        session.id
    )
}
