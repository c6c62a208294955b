//! Holding leases: renewing, giving back, listing.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use shim_proto::coordination::v1::FileLease;
use shim_runtime::ids::FileLeaseId;

use super::acquire::LookArgs;
use super::decision::{conflicts, touching};
use super::model::RELEASED;
use super::rows::{TableFields, read};
use super::store::{Files, table};
use crate::clock::millis;
use crate::domain::Pattern;
use crate::domain::leases::{Conflict, LeaseSpec};
use crate::error::Error;
use crate::idempotency::{self, IdempotencyKey, REQUEST_ID_TTL};
use crate::metrics::{self, StaleWriteKind};
use crate::pubsub::open_envelope;
use crate::script_values::as_text;

#[derive(Serialize)]
struct RenewArgs<'a> {
    #[serde(with = "as_text")]
    lease_id: FileLeaseId,
    holder: &'a str,
    ttl_ms: u64,
}

#[derive(Deserialize)]
struct RenewedFields {
    expires_ms: i64,
    stored: ByteBuf,
}

#[derive(Serialize)]
struct ReleaseArgs<'a> {
    fingerprint: &'a str,
    keep_ms: u64,
    holder: &'a str,
    lease_ids: &'a [String],
    channel: String,
    envelope: String,
}

#[derive(Deserialize)]
struct ReleasedFields {
    released: u32,
}

impl Files {
    /// Holds a lease for `ttl` from now on.
    ///
    /// # Errors
    /// `LeaseLost` if the holder has it no more, or as the store fails.
    pub async fn renew(
        &self,
        workspace: &str,
        lease_id: FileLeaseId,
        holder: &str,
        ttl: Duration,
    ) -> Result<FileLease, Error> {
        let slot = self.keys.namespace(workspace);
        let ttl_ms = millis(ttl);
        let call = table(&self.renew, &slot).args(&RenewArgs {
            lease_id,
            holder,
            ttl_ms,
        });
        let mut reply = self.connection.call(&call).await?;
        let renewed: RenewedFields = reply.accept(|status, reply| match status {
            "LOST" => {
                metrics::count_stale_write(StaleWriteKind::Files);
                Ok(Error::LeaseLost(lease_id.to_string()))
            }
            other => idempotency::refusal(other, reply, None),
        })?;
        let lease_id = lease_id.to_string();
        read(workspace, lease_id, renewed.expires_ms, &renewed.stored)
    }

    /// Gives leases of a holder back, all if none is named; returns how many were held until now.
    ///
    /// # Errors
    /// `RequestIdReused`, or as the store fails.
    pub async fn release(
        &self,
        idempotency_key: &IdempotencyKey,
        workspace: &str,
        holder: &str,
        lease_ids: &[FileLeaseId],
    ) -> Result<u32, Error> {
        let slot = self.keys.namespace(workspace);
        let publication = [("workspace", workspace), ("holder", holder)];
        let ids: Vec<_> = lease_ids.iter().map(FileLeaseId::to_string).collect();
        let call = table(&self.release, &slot)
            .key(slot.request_key(&idempotency_key.request_id))
            .args(&ReleaseArgs {
                fingerprint: &idempotency_key.fingerprint,
                keep_ms: millis(REQUEST_ID_TTL),
                holder,
                lease_ids: &ids,
                channel: self.keys.channel(RELEASED),
                envelope: open_envelope(holder, &publication, "released"),
            });
        let mut reply = self.connection.call(&call).await?;
        let released: ReleasedFields =
            reply.accept(|status, reply| idempotency::refusal(status, reply, None))?;
        // A repetition tells what an earlier request released, not what lives now.
        if !reply.is_repeated() {
            self.forget_released(workspace, &ids, released.released);
        }
        Ok(released.released)
    }

    /// The leases are out of sight, too. Were they not, they would be looked for when they are in the way.
    fn forget_released(&self, workspace: &str, lease_ids: &[String], released: u32) {
        match lease_ids.len() {
            0 => self.tables.forget(workspace),
            // One that is not its holder's stays.
            named if named == released as usize => self.tables.remove(workspace, lease_ids),
            _ => {}
        }
    }

    /// The living leases that are selected and touch any of the paths, oldest first; without paths all touch.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn list(
        &self,
        workspace: &str,
        is_selected: impl Fn(&FileLease) -> bool,
        paths: Vec<Pattern>,
    ) -> Result<Vec<FileLease>, Error> {
        let mut leases = self.living(workspace).await?;
        leases.retain(is_selected);
        leases.sort_by_key(|lease| lease.fencing_token);
        if paths.is_empty() {
            return Ok(leases);
        }
        touching(leases, paths).await
    }

    /// For each requested lease, the first living one in its way.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn conflicts(
        &self,
        workspace: &str,
        specs: Vec<LeaseSpec>,
    ) -> Result<Vec<Option<Conflict>>, Error> {
        conflicts(self.living(workspace).await?, specs).await
    }

    /// The living leases of a workspace.
    async fn living(&self, workspace: &str) -> Result<Vec<FileLease>, Error> {
        let slot = self.keys.namespace(workspace);
        let call = table(&self.look, &slot)
            .key(slot.lock(""))
            .key(slot.request_key(""))
            .args(&LookArgs {
                fingerprint: None,
                fence_token: None,
                known: None,
                checked: &[],
            });
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        let read: TableFields = reply.fields()?;
        Ok(read.table(workspace)?.leases)
    }
}
