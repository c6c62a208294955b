//! The file leases of all workspaces: their scripts, and the keys that these have in common.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

use crate::connection::RedisConnection;
use crate::keys::{Keys, Slot};
use crate::script::{Call, Effect, Script};

/// Queues of acquisitions; the workspaces are spread over them by chance.
const QUEUES: usize = 64;
/// The longest wait for a turn: a Redis that does not answer must not make callers wait for each other.
const MAX_TURN_WAIT: Duration = Duration::from_millis(100);

/// The file leases of all workspaces.
#[derive(Debug)]
pub struct Files {
    pub(super) connection: RedisConnection,
    pub(super) keys: Keys,
    queues: Vec<Mutex<()>>,
    hasher: RandomState,
    pub(super) look: Script,
    pub(super) acquire: Script,
    pub(super) renew: Script,
    pub(super) release: Script,
}

impl Files {
    pub(crate) fn new(connection: RedisConnection, keys: Keys) -> Self {
        let changing = |effect, body: &str| {
            let shared = include_str!("../lua/files.lua");
            Script::named(effect, &format!("{shared}\n{body}"))
        };
        Self {
            connection,
            keys,
            queues: std::iter::repeat_with(Mutex::default)
                .take(QUEUES)
                .collect(),
            hasher: RandomState::new(),
            look: Script::named(Effect::Reads, include_str!("../lua/look_files.lua")),
            acquire: changing(Effect::Writes, include_str!("../lua/acquire_files.lua")),
            // It takes no room, and a full Redis must not end leases.
            renew: changing(Effect::Frees, include_str!("../lua/renew_files.lua")),
            release: changing(Effect::Frees, include_str!("../lua/release_files.lua")),
        }
    }

    /// Waits for the turn of an acquisition: those of one workspace in this process go one after the other, since they
    /// would only overtake each other. Nothing depends on it: an acquisition that waited long enough goes on without a
    /// turn.
    pub(super) async fn turn(&self, workspace: &str) -> Option<MutexGuard<'_, ()>> {
        let hash = self.hasher.hash_one(workspace);
        let queue = usize::try_from(hash % QUEUES as u64).unwrap_or_default();
        tokio::time::timeout(MAX_TURN_WAIT, self.queues[queue].lock())
            .await
            .ok()
    }
}

/// Begins the call of a script with the keys of the workspace's table.
pub(super) fn table<'a>(script: &'a Script, slot: &Slot) -> Call<'a> {
    script
        .call()
        .key(slot.key("files"))
        .key(slot.key("files-deadlines"))
        .key(slot.key("files-newest"))
}
