//! The names of inboxes and of the messages in them, and what bounds an inbox.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use shim_runtime::ids::{SessionId, WorkerId};
use uuid::Uuid;

/// Names an inbox: the id of the session or worker that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InboxId(Uuid);

impl From<Uuid> for InboxId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl From<SessionId> for InboxId {
    fn from(session_id: SessionId) -> Self {
        Self(session_id.uuid())
    }
}

impl From<WorkerId> for InboxId {
    fn from(worker_id: WorkerId) -> Self {
        Self(worker_id.uuid())
    }
}

impl FromStr for InboxId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self)
    }
}

impl fmt::Display for InboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a message within its inbox: the time of its arrival by the store's clock, and a number among the messages of that
/// millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageId {
    pub(crate) unix_ms: u64,
    number: u64,
}

impl FromStr for MessageId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (unix_ms, number) = text.split_once('-').ok_or(())?;
        Ok(Self {
            unix_ms: unix_ms.parse().map_err(drop)?,
            number: number.parse().map_err(drop)?,
        })
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.unix_ms, self.number)
    }
}

/// Which limit an inbox is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InboxBound {
    /// That of one sender.
    Sender,
    /// That of one caller, under whatever names it sends.
    Caller,
    /// That of all bytes.
    Bytes,
    /// That of all messages.
    All,
}

impl InboxBound {
    /// What is counted, for people.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Sender => "unread messages of this sender",
            Self::Caller => "unread messages of this caller",
            Self::Bytes => "bytes of unread messages",
            Self::All => "unread messages",
        }
    }
}
