//! The file leases of all workspaces: their scripts, and the keys that these have in common.

use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use super::table_cache::{KnownTable, TableCache};
use crate::connection::RedisConnection;
use crate::keys::{Keys, Slot};
use crate::script::{Call, Effect, Script};

/// The longest wait for a turn. It leaves time for a try within the operation: whoever goes without a turn overtakes those that
/// wait, so on a slow machine few should.
const MAX_TURN_WAIT: Duration = Duration::from_millis(600);

/// The file leases of all workspaces.
#[derive(Debug)]
pub struct Files {
    pub(super) connection: RedisConnection,
    pub(super) keys: Keys,
    pub(super) tables: TableCache,
    pub(super) look: Script,
    pub(super) acquire: Script,
    pub(super) renew: Script,
    pub(super) release: Script,
}

impl Files {
    pub(crate) fn new(connection: RedisConnection, keys: Keys) -> Self {
        let sharing = |effect, body: &str| {
            let shared = include_str!("../lua/files.lua");
            Script::named(effect, &format!("{shared}\n{body}"))
        };
        Self {
            connection,
            keys,
            tables: TableCache::default(),
            look: sharing(Effect::Reads, include_str!("../lua/look_files.lua")),
            acquire: sharing(Effect::Writes, include_str!("../lua/acquire_files.lua")),
            // It takes no room, and a full Redis must not end leases.
            renew: sharing(Effect::Frees, include_str!("../lua/renew_files.lua")),
            release: sharing(Effect::Frees, include_str!("../lua/release_files.lua")),
        }
    }

    /// Waits for the turn of an acquisition, which has the table of its workspace to itself: those of one workspace in this
    /// process go one after the other, since they would only overtake each other. Nothing depends on it: an acquisition that
    /// waited long enough gets `None`, and reads a table of its own.
    pub(super) async fn turn(&self, workspace: &str) -> Option<OwnedMutexGuard<KnownTable>> {
        let table = self.tables.table(workspace);
        tokio::time::timeout(MAX_TURN_WAIT, table.lock_owned())
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
        .key(slot.key("files-grants"))
}
