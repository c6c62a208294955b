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

/// The arguments of every script that changes entries; see `state.lua`.
#[derive(Serialize)]
pub(super) struct HistoryArgs {
    expired_envelope: String,
}

/// What is the same in every call stands in the scripts' text: an argument costs both sides its packing each time.
fn constants(keys: &Keys) -> String {
    format!(
        "local HISTORY_LENGTH, CHANNEL = {HISTORY}, [==[{}]==]\n\
         local MAX_ENTRIES, MAX_ALL_BYTES = {MAX_NAMESPACE_ENTRIES}, {MAX_NAMESPACE_BYTES}",
        keys.channel(UPDATED),
    )
}

impl States {
    pub(crate) fn new(connection: RedisConnection, keys: Keys) -> Self {
        let constants = constants(&keys);
        let changing = |effect, body: &str| {
            let shared = include_str!("../lua/state.lua");
            Script::named(effect, &format!("{constants}\n{shared}\n{body}"))
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
    pub(super) fn history_args(namespace: &str) -> HistoryArgs {
        let expired = [("namespace", namespace), ("change", "expired")];
        HistoryArgs {
            expired_envelope: open_envelope("", &expired, "key"),
        }
    }
}
