//! Acquiring: decide over the table in sight, and add the lease if that table is still the one in the store.
//!
//! Over a known table a grant is one round trip, whatever the table's size, and so is a refusal: the leases in the way are
//! looked for in the store before.

use std::collections::HashSet;
use std::time::Duration;

use serde::Serialize;
use serde_bytes::ByteBuf;
use shim_proto::coordination::v1::FileLease;
use shim_runtime::ids::FileLeaseId;

use super::decision::decide;
use super::model::{LeaseOutcome, LeaseRequest};
use super::rows::{AcquiredFields, TableFields, stored};
use super::store::{Files, table as files_table};
use super::table_cache::KnownTable;
use crate::clock::millis;
use crate::connection::with_operation_timeout;
use crate::domain::leases::Conflict;
use crate::error::Error;
use crate::fence::{lock_of, token_of};
use crate::idempotency::{self, IdempotencyKey, REQUEST_ID_TTL};
use crate::metrics::{self, AcquireResult, StaleWriteKind};
use crate::pubsub::open_envelope;
use crate::reply::Reply;

/// The bus channel of every lease that is granted.
const LEASED: &str = "files:leased";
/// Decisions that other acquisitions may overtake before the caller is refused with `Overloaded`.
const MAX_TRIES: u32 = 25;

/// What the store said to an acquisition.
enum Tried {
    /// This request, or an earlier one with the same id, was granted the lease.
    Leased(FileLease),
    /// The table differs from the one in sight, which was brought up to date.
    Updated,
}

#[derive(Serialize)]
pub(super) struct LookArgs<'a> {
    pub(super) fingerprint: Option<&'a str>,
    pub(super) fence_token: Option<String>,
    pub(super) known: Option<&'a str>,
    pub(super) checked: &'a [String],
}

#[derive(Serialize)]
struct AcquireArgs<'a> {
    fingerprint: &'a str,
    keep_ms: u64,
    fence_token: Option<String>,
    newest: &'a str,
    read_ms: i64,
    lease_id: &'a str,
    holder: &'a str,
    lease: ByteBuf,
    ttl_ms: u64,
    channel: String,
    envelope: String,
}

impl Files {
    /// Leases files, all or none, if no other lease is in the way.
    ///
    /// # Errors
    /// `TooManyLeases`; `StaleFence`; `Overloaded` if other acquisitions were faster too often; `RequestIdReused`; or as
    /// the store fails.
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
        let acquisition = Acquisition {
            files: self,
            idempotency_key,
            request,
            draft: draft(request),
        };
        let (mut turn, mut own) = (self.turn(&request.workspace).await, self.tables.unknown());
        acquisition
            .run(turn.as_deref_mut().unwrap_or(&mut own))
            .await
    }
}

/// One acquisition, over the table that it has to itself.
struct Acquisition<'a> {
    files: &'a Files,
    idempotency_key: &'a IdempotencyKey,
    request: &'a LeaseRequest,
    draft: FileLease,
}

/// What an acquisition does next.
enum Step {
    /// Read the table, or look whether these leases of it live.
    Look(Vec<String>),
    Commit,
    Refuse(Vec<Conflict>),
    RefuseFull,
}

/// What the store said during this call.
#[derive(Default)]
struct Confirmed {
    /// The whole table was read.
    is_whole: bool,
    /// These leases were looked for.
    lease_ids: HashSet<String>,
}

impl Acquisition<'_> {
    async fn run(&self, table: &mut KnownTable) -> Result<LeaseOutcome, Error> {
        let (mut confirmed, mut overtaken) = (Confirmed::default(), 0);
        for _ in 0..MAX_TRIES {
            let tried = match self.next_step(table, &confirmed).await? {
                Step::Look(checked) => {
                    confirmed.is_whole |= table.newest.is_none();
                    let tried = self.look(table, &checked).await?;
                    confirmed.lease_ids.extend(checked);
                    tried
                }
                Step::Commit => self.commit(table, &mut overtaken).await?,
                Step::Refuse(conflicts) => {
                    metrics::count_file_lease(AcquireResult::Refused);
                    return Ok(LeaseOutcome::Held(conflicts));
                }
                Step::RefuseFull => {
                    metrics::count_file_lease(AcquireResult::Refused);
                    return Err(Error::TooManyLeases(self.request.workspace.clone()));
                }
            };
            if let Tried::Leased(lease) = tried {
                return Ok(LeaseOutcome::Leased(lease));
            }
        }
        Err(Error::Overloaded)
    }

    /// A request is refused for leases alone that the store said to live during this call: those in sight may have ended.
    async fn next_step(
        &self,
        table: &mut KnownTable,
        confirmed: &Confirmed,
    ) -> Result<Step, Error> {
        if table.newest.is_none() {
            return Ok(Step::Look(Vec::new()));
        }
        let spec = &self.request.spec;
        let conflicts = decide(table.leases.candidates(spec), spec).await?;
        if !conflicts.is_empty() {
            let ids = conflicts.iter().map(|held| held.lease.lease_id.clone());
            let unconfirmed: Vec<_> = ids.filter(|id| !confirmed.lease_ids.contains(id)).collect();
            return Ok(match confirmed.is_whole || unconfirmed.is_empty() {
                true => Step::Refuse(conflicts),
                false => Step::Look(unconfirmed),
            });
        }
        if !table.leases.is_full(&self.draft) {
            return Ok(Step::Commit);
        }
        if confirmed.is_whole {
            return Ok(Step::RefuseFull);
        }
        table.forget();
        Ok(Step::Look(Vec::new()))
    }

    /// Brings the table up to date, and looks whether the `checked` leases live.
    async fn look(&self, table: &mut KnownTable, checked: &[String]) -> Result<Tried, Error> {
        let (files, request) = (self.files, self.request);
        let slot = files.keys.namespace(&request.workspace);
        let call = files_table(&files.look, &slot)
            .key(slot.lock(lock_of(request.fence.as_ref())))
            .key(slot.request_key(&self.idempotency_key.request_id))
            .args(&LookArgs {
                fingerprint: Some(&self.idempotency_key.fingerprint),
                fence_token: token_of(request.fence.as_ref()),
                known: table.newest.as_deref(),
                checked,
            });
        let mut reply = files.connection.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => {
                let acquired: AcquiredFields = reply.fields()?;
                Ok(Tried::Leased(acquired.lease(&self.draft)))
            }
            "TABLE" => {
                let read: TableFields = reply.fields()?;
                table.update(read.table(&request.workspace)?, checked);
                Ok(Tried::Updated)
            }
            other => Err(refusal(other, &mut reply, request)?),
        }
    }

    /// Adds the lease, unless another was added to the table; then the others are brought into sight. Each that was
    /// `overtaken` waits a little longer.
    async fn commit(&self, table: &mut KnownTable, overtaken: &mut u64) -> Result<Tried, Error> {
        let newest = table.newest.clone().unwrap_or_default();
        let mut reply = self.call_acquire(&newest, table.read_ms).await?;
        match reply.status()?.as_str() {
            "OK" => {
                let is_repeated = reply.is_repeated();
                let acquired: AcquiredFields = reply.fields()?;
                let living = acquired.living;
                let lease = acquired.lease(&self.draft);
                // A repetition tells what an earlier request was granted, perhaps long before the newest lease.
                if !is_repeated {
                    metrics::count_file_lease(AcquireResult::Granted);
                    table.add(lease.clone(), living);
                }
                Ok(Tried::Leased(lease))
            }
            "CHANGED" => {
                let read: TableFields = reply.fields()?;
                table.update(read.table(&self.request.workspace)?, &[]);
                let pause = rand::random_range(0..=2 * *overtaken);
                tokio::time::sleep(Duration::from_millis(pause)).await;
                *overtaken += 1;
                Ok(Tried::Updated)
            }
            other => Err(refusal(other, &mut reply, self.request)?),
        }
    }

    async fn call_acquire(&self, newest: &str, read_ms: i64) -> Result<Reply, Error> {
        let (files, request, draft) = (self.files, self.request, &self.draft);
        let slot = files.keys.namespace(&request.workspace);
        let call = files_table(&files.acquire, &slot)
            .key(slot.clock())
            .key(slot.lock(lock_of(request.fence.as_ref())))
            .key(slot.request_key(&self.idempotency_key.request_id))
            .args(&AcquireArgs {
                fingerprint: &self.idempotency_key.fingerprint,
                keep_ms: millis(REQUEST_ID_TTL),
                fence_token: token_of(request.fence.as_ref()),
                newest,
                read_ms,
                lease_id: &draft.lease_id,
                holder: &draft.holder,
                lease: ByteBuf::from(stored(draft)),
                ttl_ms: millis(request.ttl),
                channel: files.keys.channel(LEASED),
                envelope: envelope(draft),
            });
        files.connection.call(&call).await
    }
}

/// The publication of a lease, up to its token.
fn envelope(draft: &FileLease) -> String {
    let publication = [
        ("workspace", draft.workspace.as_str()),
        ("holder", draft.holder.as_str()),
        ("lease_id", draft.lease_id.as_str()),
    ];
    open_envelope(&draft.holder, &publication, "fencing_token")
}

/// The error of a refused acquisition; counts a stale fence.
fn refusal(status: &str, reply: &mut Reply, request: &LeaseRequest) -> Result<Error, Error> {
    if status == "STALE_FENCE" {
        metrics::count_stale_write(StaleWriteKind::Files);
    }
    idempotency::refusal(status, reply, request.fence.as_ref())
}

/// The lease as far as it is known before it is granted.
fn draft(request: &LeaseRequest) -> FileLease {
    let patterns = request.spec.patterns.iter();
    FileLease {
        lease_id: FileLeaseId::new().to_string(),
        workspace: request.workspace.clone(),
        holder: request.spec.holder.clone(),
        purpose: request.purpose.clone(),
        patterns: patterns.map(|pattern| pattern.text().to_owned()).collect(),
        mode: request.spec.mode.into(),
        ..Default::default()
    }
}
