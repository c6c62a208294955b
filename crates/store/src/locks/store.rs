//! The locks of all namespaces: their scripts and their counts.

use super::model::LockRef;
use super::redlock::Redlock;
use crate::connection::RedisConnection;
use crate::keys::Keys;
use crate::metrics::{self, AcquireResult};
use crate::script::{Effect, Script};

/// The names of held locks in order, in their slot.
pub(super) const NAMES: &str = "lock-names";
/// The held locks by their ends, in their slot.
pub(super) const DEADLINES: &str = "lock-deadlines";

/// The locks of all namespaces.
pub struct Locks {
    pub(super) connection: RedisConnection,
    pub(super) keys: Keys,
    pub(super) redlock: Redlock,
    pub(super) grant: Script,
    pub(super) grant_even_if_full: Script,
    pub(super) renew: Script,
    pub(super) release: Script,
    pub(super) look: Script,
    pub(super) list: Script,
}

impl Locks {
    pub(crate) fn new(connection: RedisConnection, keys: Keys, redlock: Redlock) -> Self {
        let grant = include_str!("../lua/grant_lock.lua");
        Self {
            connection,
            keys,
            redlock,
            grant: Script::named(Effect::Writes, grant),
            grant_even_if_full: Script::named(Effect::Frees, grant),
            renew: Script::named(Effect::Frees, include_str!("../lua/renew_lock.lua")),
            release: Script::named(Effect::Frees, include_str!("../lua/release_lock.lua")),
            look: Script::named(Effect::Reads, include_str!("../lua/look_lock.lua")),
            list: Script::named(Effect::Reads, include_str!("../lua/list_locks.lua")),
        }
    }

    /// Names a lock of a caller's namespace.
    pub fn lock_ref(&self, namespace: String, name: String) -> LockRef {
        LockRef {
            slot: self.keys.namespace(&namespace),
            namespace,
            name,
        }
    }
}

/// Counts an acquisition of a shared lock.
pub(super) fn count(lock_ref: &LockRef, outcome: AcquireResult) {
    if lock_ref.is_shared() {
        metrics::count_lock(outcome);
    }
}
