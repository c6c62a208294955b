//! The session of calls that name none. It belongs to one conversation: once the client's process has another one, as after
//! `/clear` and `/resume`, what was held for the one before is left in good order, and the next call that needs a session
//! finds or opens that of the conversation.

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
    pub(super) fn enter(&mut self, conversation: &str) -> Option<String> {
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

    /// Sets it for a call in this conversation, unless that began before the client went on to another one. Answers the session
    /// in whose place it stands, if nobody was told of that.
    pub(super) fn set(&mut self, session_id: &str, conversation: &str) -> Option<String> {
        if !self.is_of(conversation) {
            return None;
        }
        self.session_id = Some(session_id.to_owned());
        self.left.take().filter(|left| left != session_id)
    }

    pub(super) fn session_id(&self) -> Option<String> {
        self.session_id.clone()
    }

    fn is_of(&self, conversation: &str) -> bool {
        self.conversation.is_empty() || self.conversation == conversation
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
        assert_eq!(default.set("late", "a"), None);
        assert_eq!(default.session_id(), None);
        assert_eq!(default.enter("c").as_deref(), Some("b"));
        assert_eq!(
            default.set("t", "c").as_deref(),
            Some("s"),
            "nobody was told yet"
        );
        assert_eq!(
            (default.set("t", "c"), default.session_id()),
            (None, Some("t".to_owned()))
        );
    }
}
