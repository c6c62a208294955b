//! The registry's scripts, and the keys and arguments that these have in common.

use serde::{Deserialize, Serialize};
use shim_proto::coordination::v1::WorkerState;
use shim_runtime::ids::{Epoch, WorkerId};

use super::model::CHANNELS;
use crate::change_log::ChangeLog;
use crate::connection::RedisConnection;
use crate::error::Error;
use crate::idempotency;
use crate::keys::{Keys, Slot};
use crate::reply::Reply;
use crate::script::{Call, Effect, Script};
use crate::script_values::as_text;

/// Changes that a watcher may be behind before it needs a new snapshot.
const HISTORY: usize = 10_000;
/// The record of the last beat of any worker, of the last sweep, and of the time until which no worker dies.
const SILENCE_KEY: &str = "sweep";

/// The workers of all nodes.
#[derive(Debug)]
pub struct Registry {
    pub(super) connection: RedisConnection,
    pub(super) slot: Slot,
    channels: String,
    pub(super) register: Script,
    pub(super) heartbeat: Script,
    pub(super) deregister: Script,
    pub(super) end_processes: Script,
    pub(super) reap: Script,
    pub(super) list: Script,
    pub(super) recipients: Script,
    pub(super) change_log: ChangeLog,
}

/// The arguments of every script that changes the registry; see `registry.lua`.
#[derive(Serialize)]
pub(super) struct SharedArgs<'a> {
    slot: String,
    channels: &'a str,
    history_length: usize,
}

#[derive(Deserialize)]
struct StaleFields {
    #[serde(with = "as_text")]
    epoch: Epoch,
    #[serde(with = "as_text")]
    state: i32,
}

impl Registry {
    pub(crate) fn new(connection: RedisConnection, keys: &Keys) -> Self {
        let changing = |effect, body: &str| {
            let shared = include_str!("../lua/registry.lua");
            Script::named(effect, &format!("{shared}\n{body}"))
        };
        Self {
            connection,
            slot: keys.registry(),
            channels: keys.channel(CHANNELS),
            register: changing(Effect::Writes, include_str!("../lua/register_worker.lua")),
            heartbeat: changing(Effect::Frees, include_str!("../lua/heartbeat.lua")),
            deregister: changing(Effect::Frees, include_str!("../lua/deregister_worker.lua")),
            end_processes: changing(
                Effect::Frees,
                include_str!("../lua/end_worker_processes.lua"),
            ),
            reap: changing(Effect::Frees, include_str!("../lua/reap.lua")),
            list: Script::named(Effect::Reads, include_str!("../lua/list_workers.lua")),
            recipients: Script::named(Effect::Writes, include_str!("../lua/recipients.lua")),
            change_log: ChangeLog::new("worker-changes"),
        }
    }

    /// The slot of the registry, which holds the reaper's lock too.
    pub fn slot(&self) -> &Slot {
        &self.slot
    }

    /// Begins the call of a script that changes the registry, with the keys of `registry.lua`.
    pub(super) fn changing<'a>(&self, script: &'a Script) -> Call<'a> {
        script
            .call()
            .key(self.slot.clock())
            .key(self.change_log.key(&self.slot))
            .key(self.slot.key("due"))
            .key(self.slot.key("living"))
            .key(self.slot.key("known"))
            .key(self.slot.key("gone"))
    }

    pub(super) fn silence_key(&self) -> String {
        self.slot.key(SILENCE_KEY)
    }

    pub(super) fn shared_args(&self) -> SharedArgs<'_> {
        SharedArgs {
            slot: self.slot.key(""),
            channels: &self.channels,
            history_length: HISTORY,
        }
    }
}

/// The error of a refused call of a worker.
pub(super) fn refusal(
    status: &str,
    reply: &mut Reply,
    worker_id: WorkerId,
    epoch: Epoch,
) -> Result<Error, Error> {
    match status {
        "NOT_FOUND" => Ok(Error::WorkerNotFound(worker_id.to_string())),
        "STALE" => {
            let current: StaleFields = reply.fields()?;
            Ok(Error::StaleWorker {
                worker: worker_id.to_string(),
                epoch: epoch.0,
                what: why_stale(&current, epoch),
            })
        }
        other => idempotency::refusal(other, reply, None),
    }
}

fn why_stale(current: &StaleFields, epoch: Epoch) -> String {
    match WorkerState::try_from(current.state) {
        _ if current.epoch != epoch => {
            format!("out of date: it is at epoch {} now", current.epoch)
        }
        Ok(WorkerState::Dead) => {
            "dead: it was silent for too long, or its processes ended".to_owned()
        }
        _ => "stopped: it was deregistered".to_owned(),
    }
}
