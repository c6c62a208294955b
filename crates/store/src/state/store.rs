//! The states of all namespaces: their scripts, and the keys that these have in common.

use serde::Serialize;
use shim_proto::limits::coordination::{MAX_NAMESPACE_BYTES, MAX_NAMESPACE_ENTRIES};

use super::model::UPDATED;
use crate::change_log::ChangeLog;
use crate::connection::RedisConnection;
use crate::keys::{Keys, Slot};
use crate::pubsub::open_envelope;
use crate::script::{Call, Effect, Script};

/// Changes that a watcher may be behind before it needs a new snapshot.
const HISTORY: usize = 10_000;
/// The history's name in its slot.
const CHANGES: &str = "state-changes";

/// The states of all namespaces.
#[derive(Debug)]
pub struct States {
    pub(super) connection: RedisConnection,
    pub(super) keys: Keys,
    pub(super) put: Script,
    pub(super) patch: Script,
    pub(super) delete: Script,
    pub(super) get: Script,
    pub(super) list: Script,
    pub(super) sweep: Script,
    pub(super) change_log: ChangeLog,
}

/// The arguments of every script that changes entries: what it publishes and records; see `state.lua`.
#[derive(Serialize)]
pub(super) struct HistoryArgs {
    entry_prefix: String,
    history_length: usize,
    channel: String,
    expired_envelope: String,
    sizes_key: String,
    max_entries: usize,
    max_all_bytes: usize,
}

impl States {
    pub(crate) fn new(connection: RedisConnection, keys: Keys) -> Self {
        let changing = |effect, body: &str| {
            let shared = include_str!("../lua/state.lua");
            Script::named(effect, &format!("{shared}\n{body}"))
        };
        Self {
            connection,
            keys,
            put: changing(Effect::Writes, include_str!("../lua/put_state.lua")),
            patch: changing(Effect::Writes, include_str!("../lua/patch_state.lua")),
            delete: changing(Effect::Frees, include_str!("../lua/delete_state.lua")),
            get: Script::named(Effect::Reads, include_str!("../lua/get_state.lua")),
            list: Script::named(Effect::Reads, include_str!("../lua/list_state.lua")),
            sweep: changing(Effect::Frees, include_str!("../lua/sweep_state.lua")),
            change_log: ChangeLog::new(CHANGES),
        }
    }

    /// Begins the call of a script that changes entries, with the keys of `state.lua`.
    pub(super) fn changing<'a>(&self, script: &'a Script, slot: &Slot) -> Call<'a> {
        script
            .call()
            .key(slot.clock())
            .key(slot.key("state-names"))
            .key(slot.key("state-deadlines"))
            .key(self.change_log.key(slot))
    }

    /// The arguments of `state.lua`. The script itself puts the key of an expired entry into its publication.
    pub(super) fn history_args(&self, slot: &Slot, namespace: &str) -> HistoryArgs {
        let expired = [("namespace", namespace), ("change", "expired")];
        HistoryArgs {
            entry_prefix: slot.item("state", ""),
            history_length: HISTORY,
            channel: self.keys.channel(UPDATED),
            expired_envelope: open_envelope("", &expired, "key"),
            sizes_key: slot.key("state-sizes"),
            max_entries: MAX_NAMESPACE_ENTRIES,
            max_all_bytes: MAX_NAMESPACE_BYTES,
        }
    }
}
