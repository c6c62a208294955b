//! What identifies things across services: ids, epochs and tokens, each a type of its own, so that none can stand for
//! another.
//!
//! Texts become ids once, where a request is decoded ([`crate::fields::Fields::id`]); behind that edge nothing parses one.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// An id that is a UUID on the wire.
pub trait Id: Copy + From<Uuid> {}

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id; ids made later sort after it (UUIDv7, RFC 9562).
            #[must_use]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The UUID itself, for a store that keeps its bytes.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl Id for $name {}

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    )*};
}

uuid_id! {
    /// A session: one conversation's life.
    SessionId
    /// A checkpoint of a session.
    CheckpointId
    /// A task: a job's root or one of its subtasks.
    TaskId
    /// A worker of any kind.
    WorkerId
    /// A lease on files.
    FileLeaseId
}

macro_rules! number {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

number! {
    /// How often a session or a worker changed its owner; a write with an older one is refused.
    Epoch
    /// The fencing token of a task's claim: every report on the task proves the claim with it.
    LeaseToken
    /// The fencing token of a lock, which grows with every grant in its namespace.
    FencingToken
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_id_survives_its_text() {
        let id = TaskId::new();
        assert_eq!(id.to_string().parse::<TaskId>().unwrap(), id);
        assert!("task-7".parse::<TaskId>().is_err());
    }

    #[test]
    fn ids_made_later_sort_after() {
        let (first, second) = (SessionId::new(), SessionId::new());
        assert!(first < second);
    }
}
