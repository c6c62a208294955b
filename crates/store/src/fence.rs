//! The fence of a write: the lock that must be held inside the store while the write happens.

use shim_proto::coordination::v1 as proto;
use shim_runtime::ids::FencingToken;

/// The lock that must be held in the namespace of a write, with its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The lock's name in the namespace.
    pub lock: String,
    /// The token that the lock was acquired with.
    pub token: FencingToken,
}

impl From<proto::Fence> for Fence {
    fn from(fence: proto::Fence) -> Self {
        Self {
            lock: fence.lock,
            token: FencingToken(fence.token),
        }
    }
}

/// The name of a fence's lock; empty for no fence, whose lock no script reads.
pub(crate) fn lock_of(fence: Option<&Fence>) -> &str {
    fence.map_or("", |fence| &fence.lock)
}

/// The token of a fence as scripts read it.
pub(crate) fn token_of(fence: Option<&Fence>) -> Option<String> {
    fence.map(|fence| fence.token.to_string())
}
