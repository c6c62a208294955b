//! Acquiring: read the table, decide, and add the lease if the table is still the one that was decided on.

use std::time::Duration;

use serde::Serialize;
use serde_bytes::ByteBuf;
use shim_proto::coordination::v1::FileLease;
use shim_runtime::ids::FileLeaseId;

use super::decision::decide;
use super::model::{LeaseOutcome, LeaseRequest};
use super::rows::{AcquiredFields, Table, TableFields, stored};
use super::store::{Files, table};
use crate::clock::millis;
use crate::connection::with_operation_timeout;
use crate::domain::leases::Decision;
use crate::error::Error;
use crate::fence::{lock_of, token_of};
use crate::idempotency::{self, IdempotencyKey, REQUEST_ID_TTL};
use crate::metrics::{self, AcquireResult, StaleWriteKind};
use crate::pubsub::open_envelope;
use crate::reply::Reply;

/// The bus channel of every lease that is granted.
const LEASED: &str = "files:leased";
/// Decisions that other acquisitions may overtake before the caller is refused with `Overloaded`.
const MAX_TRIES: u64 = 25;

/// What the look before a decision found.
enum LookedUp {
    /// An earlier request with the same id was granted this lease.
    Done(FileLease),
    Table(Table),
}

#[derive(Serialize)]
pub(super) struct LookArgs<'a> {
    pub(super) fingerprint: Option<&'a str>,
    pub(super) fence_token: Option<String>,
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
                    metrics::count_file_lease(AcquireResult::Refused);
                    return Ok(LeaseOutcome::Held(conflicts));
                }
                Decision::Full => {
                    metrics::count_file_lease(AcquireResult::Refused);
                    return Err(Error::TooManyLeases(request.workspace.clone()));
                }
                Decision::Granted => {}
            }
            let committed = self.commit(idempotency_key, request, &draft, read_ms, &newest);
            if let Some(lease) = committed.await? {
                return Ok(LeaseOutcome::Leased(lease));
            }
            let pause = rand::random_range(0..=2 * overtaken);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Err(Error::Overloaded)
    }

    async fn look_up(
        &self,
        idempotency_key: &IdempotencyKey,
        request: &LeaseRequest,
        draft: &FileLease,
    ) -> Result<LookedUp, Error> {
        let slot = self.keys.namespace(&request.workspace);
        let call = table(&self.look, &slot)
            .key(slot.lock(lock_of(request.fence.as_ref())))
            .key(slot.request_key(&idempotency_key.request_id))
            .args(&LookArgs {
                fingerprint: Some(&idempotency_key.fingerprint),
                fence_token: token_of(request.fence.as_ref()),
            });
        let mut reply = self.connection.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => {
                let acquired: AcquiredFields = reply.fields()?;
                Ok(LookedUp::Done(acquired.lease(draft)))
            }
            "TABLE" => {
                let read: TableFields = reply.fields()?;
                read.table(&request.workspace).map(LookedUp::Table)
            }
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
        let call = table(&self.acquire, &slot)
            .key(slot.clock())
            .key(slot.lock(lock_of(request.fence.as_ref())))
            .key(slot.request_key(&idempotency_key.request_id))
            .args(&AcquireArgs {
                fingerprint: &idempotency_key.fingerprint,
                keep_ms: millis(REQUEST_ID_TTL),
                fence_token: token_of(request.fence.as_ref()),
                newest,
                read_ms,
                lease_id: &draft.lease_id,
                holder: &draft.holder,
                lease: ByteBuf::from(stored(draft)),
                ttl_ms: millis(request.ttl),
                channel: self.keys.channel(LEASED),
                envelope: envelope(draft),
            });
        let mut reply = self.connection.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => {
                if !reply.is_repeated() {
                    metrics::count_file_lease(AcquireResult::Granted);
                }
                let acquired: AcquiredFields = reply.fields()?;
                Ok(Some(acquired.lease(draft)))
            }
            "CHANGED" => Ok(None),
            other => Err(refusal(other, &mut reply, request)?),
        }
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
