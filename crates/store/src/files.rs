//! File leases: the table of a workspace, and the steps that change it.
//!
//! Whether patterns overlap is decided outside the store, so an acquisition is two steps: read the table, then add the
//! lease if no other was added in between. The invariant: of two leases that live at one time, by Redis's clock, the
//! later was decided with the earlier in sight.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use prost::Message;
use shim_proto::coordination::v1::{Fence, FileLease};
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

use super::clock::millis;
use super::connection::{RedisConnection, with_operation_timeout};
use super::idempotency::{self, IdempotencyKey, REQUEST_ID_TTL};
use super::keys::{Keys, Slot};
use super::lease_rows::{Table, acquired, read, read_table, stored};
use super::pubsub::open_envelope;
use super::reply::Reply;
use super::script::{Call, Effect, Script};
use crate::domain::Pattern;
use crate::domain::leases::{self, Conflict, Decision, LeaseSpec};
use crate::error::Error;
use crate::metrics::{self, StaleWriteKind};

/// The bus channel of every lease.
const LEASED: &str = "files:leased";
/// The bus channel that tells of leases given back.
pub const RELEASED: &str = "files:released";
/// Decisions that others may overtake before the caller is told to come again.
const MAX_TRIES: u64 = 25;
/// Workspaces that share a queue of acquisitions, by chance.
const QUEUES: usize = 64;
/// A Redis that does not answer must not make callers wait for each other.
const PATIENCE: Duration = Duration::from_millis(100);
/// Comparing so many pairs of bytes takes some milliseconds at worst; more has a thread of its own.
const MAX_INLINE_PAIRS: usize = 4_000_000;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct LeaseRequest {
    /// The namespace that the lease is in.
    pub workspace: String,
    /// Which files, and for whom.
    pub spec: LeaseSpec,
    /// What for, as others are told.
    pub purpose: String,
    /// How long the lease lives unless it is renewed.
    pub ttl: Duration,
    /// The lock that must be held in the workspace, with its token.
    pub fence: Option<Fence>,
}

/// What an acquisition came to.
#[derive(Debug)]
pub enum LeaseOutcome {
    /// All files are leased.
    Leased(FileLease),
    /// None is, for these are in the way.
    Held(Vec<Conflict>),
}

/// The file leases of all workspaces.
#[derive(Debug)]
pub struct Files {
    connection: RedisConnection,
    keys: Keys,
    queues: Vec<Mutex<()>>,
    hasher: RandomState,
    look: Script,
    acquire: Script,
    renew: Script,
    release: Script,
}

enum LookedUp {
    /// The request was granted before.
    Done(FileLease),
    Table(Table),
}

impl Files {
    pub(super) fn new(connection: RedisConnection, keys: Keys) -> Self {
        let changing = |effect, body: &str| {
            Script::new(
                effect,
                &format!("{}\n{body}", include_str!("lua/files.lua")),
            )
        };
        Self {
            connection,
            keys,
            queues: std::iter::repeat_with(Mutex::default)
                .take(QUEUES)
                .collect(),
            hasher: RandomState::new(),
            look: Script::new(Effect::Reads, include_str!("lua/look_files.lua")),
            acquire: changing(Effect::Writes, include_str!("lua/acquire_files.lua")),
            // It takes no room, and a full Redis must not end leases.
            renew: changing(Effect::Frees, include_str!("lua/renew_files.lua")),
            release: changing(Effect::Frees, include_str!("lua/release_files.lua")),
        }
    }

    /// Leases files, all or none, if nobody is in the way.
    ///
    /// # Errors
    /// `TooManyLeases`; `StaleFence`; `Overloaded` if others were faster too often; `RequestIdReused`; or as the store
    /// fails.
    pub async fn acquire(
        &self,
        idempotency_key: &IdempotencyKey,
        request: &LeaseRequest,
    ) -> Result<LeaseOutcome, Error> {
        with_operation_timeout(self.decide_and_commit(idempotency_key, request)).await
    }

    async fn decide_and_commit(
        &self,
        idempotency_key: &IdempotencyKey,
        request: &LeaseRequest,
    ) -> Result<LeaseOutcome, Error> {
        let draft = draft(request);
        let _turn = self.turn(&request.workspace).await;
        for overtaken in 0..MAX_TRIES {
            let table = match self.look_up(idempotency_key, request, &draft).await? {
                LookedUp::Done(lease) => return Ok(LeaseOutcome::Leased(lease)),
                LookedUp::Table(table) => table,
            };
            let (read_ms, newest) = (table.read_ms, table.newest.clone());
            match decide(table, &request.spec, &draft).await? {
                Decision::Held(conflicts) => {
                    metrics::count_file_lease(metrics::AcquireResult::Refused);
                    return Ok(LeaseOutcome::Held(conflicts));
                }
                Decision::Full => {
                    metrics::count_file_lease(metrics::AcquireResult::Refused);
                    return Err(Error::TooManyLeases(request.workspace.clone()));
                }
                Decision::Granted => {}
            }
            if let Some(lease) = self
                .commit(idempotency_key, request, &draft, read_ms, &newest)
                .await?
            {
                return Ok(LeaseOutcome::Leased(lease));
            }
            let pause = rand::random_range(0..=2 * overtaken);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Err(Error::Overloaded)
    }

    /// Acquisitions of one workspace in this process go one after the other, for they would only overtake each other.
    /// Nothing depends on it: whoever waited long enough goes on without a turn.
    async fn turn(&self, workspace: &str) -> Option<MutexGuard<'_, ()>> {
        let hash = self.hasher.hash_one(workspace);
        let queue = usize::try_from(hash % QUEUES as u64).unwrap_or_default();
        tokio::time::timeout(PATIENCE, self.queues[queue].lock())
            .await
            .ok()
    }

    async fn look_up(
        &self,
        idempotency_key: &IdempotencyKey,
        request: &LeaseRequest,
        draft: &FileLease,
    ) -> Result<LookedUp, Error> {
        let slot = self.keys.namespace(&request.workspace);
        let call = table(&self.look, &slot)
            .key(slot.lock(fence_lock(request)))
            .key(slot.request_key(&idempotency_key.request_id))
            .arg(idempotency_key.fingerprint.as_str())
            .arg(fence_token(request));
        let mut reply = self.connection.call(&call).await?;
        match reply.status()?.as_str() {
            "DONE" => acquired(draft, &mut reply).map(LookedUp::Done),
            "OK" => read_table(&request.workspace, &mut reply).map(LookedUp::Table),
            other => Err(refusal(other, &mut reply, request)?),
        }
    }

    /// Adds the lease; `None` if another was added since the table was read.
    async fn commit(
        &self,
        idempotency_key: &IdempotencyKey,
        request: &LeaseRequest,
        draft: &FileLease,
        read_ms: i64,
        newest: &str,
    ) -> Result<Option<FileLease>, Error> {
        let slot = self.keys.namespace(&request.workspace);
        let publication = [
            ("workspace", request.workspace.as_str()),
            ("holder", draft.holder.as_str()),
            ("lease_id", draft.lease_id.as_str()),
        ];
        let call = table(&self.acquire, &slot)
            .key(slot.clock())
            .key(slot.lock(fence_lock(request)))
            .key(slot.request_key(&idempotency_key.request_id))
            .arg(idempotency_key.fingerprint.as_str())
            .arg(millis(REQUEST_ID_TTL))
            .arg(fence_token(request))
            .arg(newest)
            .arg(read_ms)
            .arg(draft.lease_id.as_str())
            .arg(draft.holder.as_str())
            .arg(stored(draft))
            .arg(millis(request.ttl))
            .arg(self.keys.channel(LEASED))
            .arg(open_envelope(&draft.holder, &publication, "fencing_token"));
        let mut reply = self.connection.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => {
                if !reply.is_repeated() {
                    metrics::count_file_lease(metrics::AcquireResult::Granted);
                }
                acquired(draft, &mut reply).map(Some)
            }
            "CHANGED" => Ok(None),
            other => Err(refusal(other, &mut reply, request)?),
        }
    }

    /// Keeps a lease for `ttl` from now on.
    ///
    /// # Errors
    /// `LeaseLost` if the holder has it no more, or as the store fails.
    pub async fn renew(
        &self,
        workspace: &str,
        lease_id: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<FileLease, Error> {
        let slot = self.keys.namespace(workspace);
        let call = table(&self.renew, &slot)
            .arg(lease_id)
            .arg(holder)
            .arg(millis(ttl));
        let mut reply = self.connection.call(&call).await?;
        if reply.status()? != "OK" {
            metrics::count_stale_write(StaleWriteKind::Files);
            return Err(Error::LeaseLost(lease_id.to_owned()));
        }
        let expires_ms = reply.take()?;
        read(
            workspace,
            lease_id.to_owned(),
            expires_ms,
            reply.take::<Vec<u8>>()?.as_slice(),
        )
    }

    /// Gives leases of a holder back, all if none is named; tells how many were held until now.
    ///
    /// # Errors
    /// `RequestIdReused`, or as the store fails.
    pub async fn release(
        &self,
        idempotency_key: &IdempotencyKey,
        workspace: &str,
        holder: &str,
        lease_ids: &[String],
    ) -> Result<u32, Error> {
        let slot = self.keys.namespace(workspace);
        let publication = [("workspace", workspace), ("holder", holder)];
        let mut call = table(&self.release, &slot)
            .key(slot.request_key(&idempotency_key.request_id))
            .arg(idempotency_key.fingerprint.as_str())
            .arg(millis(REQUEST_ID_TTL))
            .arg(holder)
            .arg(self.keys.channel(RELEASED))
            .arg(open_envelope(holder, &publication, "released"));
        for lease_id in lease_ids {
            call = call.arg(lease_id.as_str());
        }
        let mut reply = self.connection.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => reply.take(),
            other => Err(idempotency::refusal(other, &mut reply, None)?),
        }
    }

    /// The leases that live, are asked for and touch any of the paths, oldest first; without paths all touch.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn list(
        &self,
        workspace: &str,
        is_asked_for: impl Fn(&FileLease) -> bool,
        paths: Vec<Pattern>,
    ) -> Result<Vec<FileLease>, Error> {
        let slot = self.keys.namespace(workspace);
        let call = table(&self.look, &slot)
            .key(slot.lock(""))
            .key(slot.request_key(""))
            .arg("")
            .arg("");
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        let mut leases = read_table(workspace, &mut reply)?.leases;
        leases.retain(is_asked_for);
        leases.sort_by_key(|lease| lease.fencing_token);
        if paths.is_empty() {
            return Ok(leases);
        }
        let pairs = encoded_len(&leases) * text_len(&paths);
        run_decision(pairs, move || leases::touching(leases, &paths)).await
    }
}

/// The keys that all scripts have in common.
fn table<'a>(script: &'a Script, slot: &Slot) -> Call<'a> {
    script
        .call()
        .key(slot.key("files"))
        .key(slot.key("files-deadlines"))
        .key(slot.key("files-newest"))
}

fn fence_lock(request: &LeaseRequest) -> &str {
    request.fence.as_ref().map_or("", |fence| &fence.lock)
}

fn fence_token(request: &LeaseRequest) -> String {
    let token = request.fence.as_ref().map(|fence| fence.token.to_string());
    token.unwrap_or_default()
}

fn refusal(status: &str, reply: &mut Reply, request: &LeaseRequest) -> Result<Error, Error> {
    let refused = idempotency::refusal(status, reply, request.fence.as_ref())?;
    if matches!(refused, Error::StaleFence { .. }) {
        metrics::count_stale_write(StaleWriteKind::Files);
    }
    Ok(refused)
}

/// The lease as far as it is known before it is granted.
fn draft(request: &LeaseRequest) -> FileLease {
    let texts = request
        .spec
        .patterns
        .iter()
        .map(|pattern| pattern.text().to_owned());
    FileLease {
        lease_id: Uuid::now_v7().to_string(),
        workspace: request.workspace.clone(),
        holder: request.spec.holder.clone(),
        purpose: request.purpose.clone(),
        patterns: texts.collect(),
        mode: request.spec.mode.into(),
        ..Default::default()
    }
}

fn encoded_len(leases: &[FileLease]) -> usize {
    leases.iter().map(Message::encoded_len).sum()
}

async fn decide(table: Table, spec: &LeaseSpec, draft: &FileLease) -> Result<Decision, Error> {
    let (spec, draft) = (spec.clone(), draft.clone());
    let pairs = encoded_len(&table.leases) * text_len(&spec.patterns);
    run_decision(pairs, move || leases::decide(&table.leases, &spec, &draft)).await
}

fn text_len(patterns: &[Pattern]) -> usize {
    patterns.iter().map(|pattern| pattern.text().len()).sum()
}

/// Decides on a thread of its own if others would notice.
async fn run_decision<T: Send + 'static>(
    pairs: usize,
    decide: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    if pairs <= MAX_INLINE_PAIRS {
        return Ok(decide());
    }
    tokio::task::spawn_blocking(decide).await.map_err(|error| {
        tracing::error!(%error, "a decision over file leases failed");
        Error::Defect
    })
}
