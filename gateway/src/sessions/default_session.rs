//! The session of calls that name none. It belongs to one conversation: once the client's process has another one, as after
//! `/clear` and `/resume`, what was held for the one before is left in good order, and the next call that needs a session
//! finds or opens that of the conversation.

use std::sync::{MutexGuard, PoisonError};

use shim_proto::checkpoint::v1::ClientInfo;

use super::Sessions;

/// As the service keeps it beside the interruption.
const LEFT: &str = "the window went on to another conversation";

/// The session, and the conversation it is of.
#[derive(Debug, Default)]
pub(super) struct DefaultSession {
    /// Empty until the client names one.
    conversation: String,
    session_id: Option<String>,
    /// The session of the conversation before, until a call was told.
    left: Option<String>,
}

impl DefaultSession {
    /// Enters a conversation. Answers the one before, if that is left.
    fn enter(&mut self, conversation: &str) -> Option<String> {
        if conversation.is_empty() || self.conversation == conversation {
            return None;
        }
        let before = std::mem::replace(&mut self.conversation, conversation.to_owned());
        if before.is_empty() {
            return None;
        }
        self.left = self.session_id.take().or(self.left.take());
        Some(before)
    }

    /// Whether a call in this conversation may set it: one that began before the client went on must not.
    fn is_of(&self, conversation: &str) -> bool {
        self.conversation.is_empty() || self.conversation == conversation
    }
}

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
        let left = {
            let mut default = self.default_session();
            if !default.is_of(&client.conversation) {
                return;
            }
            default.session_id = Some(session_id.to_owned());
            default.left.take()
        };
        if let Some(left) = left.filter(|left| left != session_id) {
            let text = format!(
                "this window has another conversation now, with this session of its own; session {left} of the one before was \
                 left as it is, and shim_check_recovery brings it back"
            );
            self.notify(session_id, "conversation_changed", text);
        }
    }

    /// The session of calls that name none, if there is one yet; does not wait for a call that is opening it.
    pub(crate) fn default_id(&self) -> Option<String> {
        self.default_session().session_id.clone()
    }

    fn default_session(&self) -> MutexGuard<'_, DefaultSession> {
        self.default.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_conversation_leaves_the_session_and_the_first_one_does_not() {
        let mut default = DefaultSession {
            session_id: Some("s".to_owned()),
            ..DefaultSession::default()
        };
        assert_eq!(default.enter(""), None);
        assert_eq!(default.enter("a"), None, "the client names it now");
        assert_eq!(default.session_id.as_deref(), Some("s"));
        assert_eq!(default.enter("a"), None);
        assert_eq!(default.enter("b").as_deref(), Some("a"));
        assert_eq!(
            (default.session_id.take(), default.left.as_deref()),
            (None, Some("s"))
        );
        assert!(default.is_of("b") && !default.is_of("a"));
        assert_eq!(default.enter("c").as_deref(), Some("b"));
        assert_eq!(default.left.as_deref(), Some("s"), "nobody was told yet");
    }
}
