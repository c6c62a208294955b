//! A session that this process had and the service has no more, as after a backup from before it was restored: its work goes on
//! in a new one, and the next answer says so.

use shim_proto::checkpoint::v1::ClientInfo;
use shim_proto::reasons::SESSION_NOT_FOUND;

use super::{OwnedSession, Sessions};
use crate::tool_error::ToolError;

impl Sessions {
    /// The session by its id, or the one in which its work goes on.
    pub(super) async fn acquire_named(
        &self,
        session_id: &str,
        project: &str,
        client: &ClientInfo,
    ) -> Result<OwnedSession, ToolError> {
        let session_id = self.current_id(session_id);
        match self.acquire_existing(&session_id, client).await {
            Err(error) if self.note_refusal(&session_id, &error) => {
                self.begin_anew(&session_id, project, client).await
            }
            outcome => outcome,
        }
    }

    /// Opens a session for the work of one that is missing, once however many calls ask for it.
    async fn begin_anew(
        &self,
        missing: &str,
        project: &str,
        client: &ClientInfo,
    ) -> Result<OwnedSession, ToolError> {
        let _opening = self.opening.lock().await;
        let current = self.current_id(missing);
        if current != missing {
            return self.acquire_existing(&current, client).await;
        }
        if self.default_id().as_deref() == Some(missing) {
            return self.open_new_default(project, client).await;
        }
        let owned = self.open(project, client).await?;
        self.note_moved(missing, &owned.session_id);
        Ok(owned)
    }

    /// Remembers that the service has a session no more. Answers whether that is so, and this process had it.
    pub(super) fn note_refusal(&self, session_id: &str, error: &ToolError) -> bool {
        &*error.reason == SESSION_NOT_FOUND && self.seen.note_missing(session_id)
    }

    pub(super) fn note_moved(&self, from: &str, to: &str) {
        let notice = self.seen.note_moved(from, to);
        if let Some(lease) = self.find(to) {
            lease.notify(notice);
        }
    }

    /// The session that is meant by this id: itself, or the one in which its work goes on.
    pub(crate) fn current_id(&self, session_id: &str) -> String {
        self.seen.current(session_id)
    }

    /// The newest checkpoint of a session that this process knows, to be asked for before a save.
    pub(crate) fn newest_checkpoint(&self, session_id: &str) -> u64 {
        self.seen.newest(session_id)
    }

    /// This process saved a checkpoint, and knew of checkpoint `known` before. The session hears of it if it went back.
    pub(crate) fn note_saved(&self, session_id: &str, known: u64, number: u64) {
        if let Some(notice) = self.seen.note_saved(session_id, known, number)
            && let Some(lease) = self.find(session_id)
        {
            lease.notify(notice);
        }
    }
}
