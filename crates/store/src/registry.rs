//! The registry of workers: who lives, until when unless heard again, and who went within the last hour.
//!
//! All of it is one slot, so each transition is one script. A worker's epoch comes from the slot's clock and fences
//! whatever an older incarnation, or one that was given up, still sends.

use std::collections::HashMap;
use std::time::Duration;

use redis::cmd;
use shim_proto::coordination::v1::{
    Fence, HeartbeatRequest, Worker, WorkerChangeKind, WorkerState,
};

use super::change_log::{ChangeLog, RawChange};
use super::clock::millis;
use super::connection::RedisConnection;
use super::idempotency::{self, IdempotencyKey, REQUEST_ID_TTL};
use super::keys::{Keys, Slot};
use super::reply::Reply;
use super::script::{Call, Effect, Script};
use super::worker_rows;
use crate::error::Error;
use crate::metrics;

/// What the bus channels of all changes begin with; the change follows.
pub const CHANNELS: &str = "worker:";
/// Changes a watcher may be behind before it gets a new snapshot.
const HISTORY: usize = 10_000;
/// How long it is remembered that a worker went.
const GONE_TTL: Duration = Duration::from_secs(3_600);
/// Workers that went and are remembered, however many come and go.
const MAX_GONE: usize = 10_000;
/// Workers that die or are forgotten in one step, which keeps Redis for about two milliseconds.
pub const SWEEP: usize = 200;
/// When anybody was heard last, or the dead looked for; and until when nobody is taken for dead.
const SILENCE_KEY: &str = "sweep";
/// A longer silence of everybody is given back, however late silent workers may die.
const MAX_STALL: Duration = Duration::from_secs(2);
/// Workers looked at for one page.
const SCAN_LIMIT: usize = 1_000;
/// A page ends after this much.
const MAX_PAGE_BYTES: usize = 2 << 20;

/// Which workers a list holds.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Empty: any.
    pub capability: String,
    /// Unspecified: all that live.
    pub state: WorkerState,
    /// Without a state: those that went, too.
    pub include_gone: bool,
}

/// Whom a message is for, by what the registry knows.
#[derive(Debug, Clone)]
pub enum Recipients {
    /// The worker with this id.
    Worker(String),
    /// The living workers with this capability.
    Capability(String),
}

/// A page of workers.
#[derive(Debug)]
pub struct Page {
    /// Everything up to this position is in the page, perhaps more.
    pub position: u64,
    /// In the order of their ids.
    pub workers: Vec<Worker>,
    /// The id to go on after.
    pub next: Option<String>,
}

/// A change in the registry's history.
#[derive(Debug)]
pub struct Change {
    /// Where in the history it is.
    pub position: u64,
    /// What happened.
    pub kind: WorkerChangeKind,
    /// To which worker.
    pub worker_id: String,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReapResult {
    /// Workers that were silent for too long, at most [`SWEEP`].
    pub died: usize,
    /// Workers that went long ago and are not remembered any more, at most [`SWEEP`].
    pub forgotten: usize,
}

/// The workers of all nodes.
#[derive(Debug)]
pub struct Registry {
    connection: RedisConnection,
    slot: Slot,
    channels: String,
    register: Script,
    heartbeat: Script,
    deregister: Script,
    reap: Script,
    list: Script,
    recipients: Script,
    change_log: ChangeLog,
}

impl Registry {
    pub(super) fn new(connection: RedisConnection, keys: &Keys) -> Self {
        let changing = |effect, body: &str| {
            let shared = include_str!("lua/registry.lua");
            Script::new(effect, &format!("{shared}\n{body}"))
        };
        Self {
            connection,
            slot: keys.registry(),
            channels: keys.channel(CHANNELS),
            register: changing(Effect::Writes, include_str!("lua/register_worker.lua")),
            heartbeat: changing(Effect::Frees, include_str!("lua/heartbeat.lua")),
            deregister: changing(Effect::Frees, include_str!("lua/deregister_worker.lua")),
            reap: changing(Effect::Frees, include_str!("lua/reap.lua")),
            list: Script::new(Effect::Reads, include_str!("lua/list_workers.lua")),
            recipients: Script::new(Effect::Writes, include_str!("lua/recipients.lua")),
            change_log: ChangeLog::new("worker-changes"),
        }
    }

    /// The slot of the registry, where the reaper's lock is too.
    pub fn slot(&self) -> &Slot {
        &self.slot
    }

    /// Makes a worker known: takes what it is, returns it with its epoch, state and times.
    ///
    /// # Errors
    /// `RequestIdReused`, or as the store fails.
    pub async fn register(
        &self,
        idempotency_key: &IdempotencyKey,
        worker: Worker,
        dead_after: Duration,
    ) -> Result<Worker, Error> {
        let mut call = self
            .changing(&self.register)
            .key(self.slot.request_key(&idempotency_key.request_id))
            .arg(idempotency_key.fingerprint.as_str())
            .arg(millis(REQUEST_ID_TTL))
            .arg(worker.worker_id.as_str())
            .arg(millis(dead_after))
            .arg(worker.capabilities.join(" "));
        for (name, value) in worker_rows::registration_fields(&worker) {
            call = call.arg(name).arg(value);
        }
        let mut reply = self.connection.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => worker_rows::registered(worker, &mut reply),
            other => Err(idempotency::refusal(other, &mut reply, None)?),
        }
    }

    /// Hears a worker; returns when it is dead unless it is heard again, in milliseconds of Unix time.
    ///
    /// # Errors
    /// `WorkerNotFound`, `StaleWorker`, or as the store fails.
    pub async fn heartbeat(
        &self,
        beat: &HeartbeatRequest,
        dead_after: Duration,
    ) -> Result<i64, Error> {
        let call = self
            .changing(&self.heartbeat)
            .key(self.slot.key(SILENCE_KEY))
            .arg(beat.worker_id.as_str())
            .arg(beat.epoch)
            .arg(beat.running)
            .arg(beat.state)
            .arg(beat.health)
            .arg(beat.detail.as_str())
            .arg(millis(dead_after))
            .arg(millis(stall(dead_after)));
        let mut reply = self.connection.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => reply.take(),
            refused => Err(refusal(refused, &mut reply, &beat.worker_id, beat.epoch)?),
        }
    }

    /// Lets a worker go in good order; returns it as it was left.
    ///
    /// # Errors
    /// `WorkerNotFound`, `StaleWorker`, `RequestIdReused`, or as the store fails.
    pub async fn deregister(
        &self,
        idempotency_key: &IdempotencyKey,
        worker_id: &str,
        epoch: u64,
        reason: &str,
    ) -> Result<Worker, Error> {
        let call = self
            .changing(&self.deregister)
            .key(self.slot.request_key(&idempotency_key.request_id))
            .arg(idempotency_key.fingerprint.as_str())
            .arg(millis(REQUEST_ID_TTL))
            .arg(worker_id)
            .arg(epoch)
            .arg(reason)
            .arg(millis(GONE_TTL));
        let mut reply = self.connection.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => worker_rows::read(worker_id.to_owned(), &reply.take()?),
            refused => Err(refusal(refused, &mut reply, worker_id, epoch)?),
        }
    }

    /// Reads a worker, be it living or gone.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn get(&self, worker_id: &str) -> Result<Option<Worker>, Error> {
        let read = cmd("HGETALL").arg(self.worker(worker_id)).to_owned();
        let fields: HashMap<String, String> = self.connection.query(&read).await?;
        if fields.is_empty() {
            return Ok(None);
        }
        worker_rows::read(worker_id.to_owned(), &fields).map(Some)
    }

    /// A page of at most `count` workers in the order of their ids, after one.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn list(
        &self,
        filter: &Filter,
        after: Option<&str>,
        count: u32,
    ) -> Result<Page, Error> {
        let lowest = after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
        let call = self
            .list
            .call()
            .key(self.slot.clock())
            .key(self.index_key(filter))
            .arg(self.slot.key(""))
            .arg(lowest)
            .arg(count)
            .arg(SCAN_LIMIT)
            .arg(i32::from(filter.state))
            .arg(filter.capability.as_str())
            .arg(MAX_PAGE_BYTES);
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        let position = reply.take()?;
        let last: String = reply.take()?;
        let workers: Vec<(String, HashMap<String, String>)> = reply.take()?;
        Ok(Page {
            position,
            workers: workers
                .into_iter()
                .map(|(id, fields)| worker_rows::read(id, &fields))
                .collect::<Result<_, _>>()?,
            next: (!last.is_empty()).then_some(last),
        })
    }

    /// The shortest of the ordered lists that holds all a filter may let through.
    fn index_key(&self, filter: &Filter) -> String {
        let gone = [WorkerState::Stopped, WorkerState::Dead].contains(&filter.state);
        let any = filter.state == WorkerState::Unspecified;
        if gone || (any && filter.include_gone) {
            self.slot.key("known")
        } else if filter.capability.is_empty() {
            self.slot.key("living")
        } else {
            self.slot.item("capability", &filter.capability)
        }
    }

    /// The inboxes of a worker, be it living or gone, or of all living workers with a capability: of their sessions,
    /// where they have one. Workers of one session name the same. The same request is told the same again.
    ///
    /// # Errors
    /// `WorkerNotFound`, `NoRecipients`, `RequestIdReused`, or as the store fails.
    pub async fn recipients(
        &self,
        idempotency_key: &IdempotencyKey,
        of: &Recipients,
    ) -> Result<Vec<String>, Error> {
        let (worker, capability) = match of {
            Recipients::Worker(id) => (id.as_str(), ""),
            Recipients::Capability(capability) => ("", capability.as_str()),
        };
        let call = self
            .recipients
            .call()
            .key(self.slot.request_key(&idempotency_key.request_id))
            .key(self.slot.item("capability", capability))
            .arg(idempotency_key.fingerprint.as_str())
            .arg(millis(REQUEST_ID_TTL))
            .arg(self.slot.key(""))
            .arg(worker);
        let mut reply = self.connection.call(&call).await?;
        match (reply.status()?.as_str(), of) {
            ("OK", _) => reply.take(),
            ("NOBODY", Recipients::Worker(id)) => Err(Error::WorkerNotFound(id.clone())),
            ("NOBODY", Recipients::Capability(able)) => Err(Error::NoRecipients(able.clone())),
            (other, _) => Err(idempotency::refusal(other, &mut reply, None)?),
        }
    }

    /// One step of the reaper, which holds the lock of the fence: at most [`SWEEP`] workers that are due die, unless
    /// nobody could be heard for longer than [`stall`].
    ///
    /// # Errors
    /// `StaleFence` if the lock is not held any more, or as the store fails.
    pub async fn reap(&self, fence: &Fence, dead_after: Duration) -> Result<ReapResult, Error> {
        let call = self
            .changing(&self.reap)
            .key(self.slot.key(SILENCE_KEY))
            .key(self.slot.lock(&fence.lock))
            .arg(fence.token)
            .arg(millis(dead_after))
            .arg(millis(stall(dead_after)))
            .arg(SWEEP)
            .arg(millis(GONE_TTL))
            .arg(MAX_GONE);
        let mut reply = self.connection.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => {
                let (died, forgotten) = (reply.take()?, reply.take()?);
                for delay_ms in reply.take::<Vec<u64>>()? {
                    metrics::record_worker_death(Duration::from_millis(delay_ms));
                }
                Ok(ReapResult { died, forgotten })
            }
            other => Err(idempotency::refusal(other, &mut reply, Some(fence))?),
        }
    }

    /// Where the history is now.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn position(&self) -> Result<u64, Error> {
        let read = cmd("GET").arg(self.slot.clock()).to_owned();
        let position: Option<u64> = self.connection.query(&read).await?;
        Ok(position.unwrap_or(0))
    }

    /// What changed after a position, in order, at most a batch; `None` if the history does not reach back so far.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn changes(&self, after: u64) -> Result<Option<Vec<Change>>, Error> {
        let Some(events) = self
            .change_log
            .since(&self.connection, &self.slot, after)
            .await?
        else {
            return Ok(None);
        };
        let change = |(position, mut fields): RawChange| {
            Some(Change {
                position,
                kind: kind(fields.get("c")?),
                worker_id: fields.remove("w")?,
            })
        };
        Ok(Some(events.into_iter().filter_map(change).collect()))
    }

    fn worker(&self, id: &str) -> String {
        self.slot.item("worker", id)
    }

    /// Begins a call with what all that change the registry have in common.
    fn changing<'a>(&self, script: &'a Script) -> Call<'a> {
        script
            .call()
            .key(self.slot.clock())
            .key(self.change_log.key(&self.slot))
            .key(self.slot.key("due"))
            .key(self.slot.key("living"))
            .key(self.slot.key("known"))
            .key(self.slot.key("gone"))
            .arg(self.slot.key(""))
            .arg(self.channels.as_str())
            .arg(HISTORY)
    }
}

/// A longer time without a beat of anybody and without a sweep is given back to the workers: Redis was away, or nobody
/// served. It is at most half of `dead_after`, which is at least two heartbeats: whoever beats on time outlives any
/// shorter one. And it is longer than a dead leader needs to be followed by another, so that its death delays none.
pub fn stall(dead_after: Duration) -> Duration {
    (dead_after / 2).min(MAX_STALL)
}

fn refusal(status: &str, reply: &mut Reply, worker: &str, epoch: u64) -> Result<Error, Error> {
    match status {
        "NOT_FOUND" => Ok(Error::WorkerNotFound(worker.to_owned())),
        "STALE" => {
            let current: u64 = reply.take()?;
            let state: i32 = reply.take()?;
            Ok(Error::StaleWorker {
                worker: worker.to_owned(),
                epoch,
                what: match WorkerState::try_from(state) {
                    _ if current != epoch => format!("out of date: it is at epoch {current} now"),
                    Ok(WorkerState::Dead) => "dead: it was silent for too long".to_owned(),
                    _ => "stopped: it was deregistered".to_owned(),
                },
            })
        }
        other => idempotency::refusal(other, reply, None),
    }
}

fn kind(change: &str) -> WorkerChangeKind {
    match change {
        "registered" => WorkerChangeKind::Registered,
        "stopped" => WorkerChangeKind::Deregistered,
        "dead" => WorkerChangeKind::Died,
        _ => WorkerChangeKind::Changed,
    }
}
