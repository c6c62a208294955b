//! AcquireFiles: leases files by patterns, all or none, and waits for them if the request says so.
//!
//! Waiters have no order among themselves: the first to try when the files are free gets them.

use std::time::Duration;

use shim_proto::coordination::v1::{
    AcquireFilesRequest, AcquireFilesResponse, FileLease, FileLeaseMode,
};
use shim_proto::limits::coordination::{MAX_ACTOR_BYTES, MAX_PURPOSE_BYTES};
use shim_runtime::server::begin_waiting;
use shim_store::domain::leases::{LeaseSpec, describe_conflicts};
use shim_store::files::{LeaseOutcome, LeaseRequest, RELEASED};
use shim_store::{Error, IdempotencyKey, Topic};
use tokio::time::Instant;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::patterns::{keep_names, patterns};
use crate::error::CoordinationError;

/// A waiter tries this often without a publication: a lease also ends by expiry, which nothing publishes.
const POLL_EVERY: Duration = Duration::from_millis(500);

pub(super) async fn handle(
    api: &Api,
    mut request: AcquireFilesRequest,
) -> Result<AcquireFilesResponse, Status> {
    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    let patterns = request.patterns.iter_mut().enumerate();
    let named = patterns.map(|(i, pattern)| (format!("patterns[{i}]"), pattern));
    keep_names(&request.workspace, named.collect()).await?;
    let (lease_request, wait) = decode(request)?;
    let place = api.namespace(&lease_request.workspace).await?;
    let acquisition = Acquisition {
        api,
        idempotency_key,
        lease_request,
    };
    let lease = match wait {
        Duration::ZERO => acquisition.try_acquire().await?,
        wait => {
            begin_waiting()?;
            acquisition.wait(Instant::now() + wait).await?
        }
    };
    place.note().await;
    Ok(AcquireFilesResponse { lease: Some(lease) })
}

fn decode(request: AcquireFilesRequest) -> Result<(LeaseRequest, Duration), Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let workspace = fields.namespace("workspace", &request.workspace);
    fields.required_line("holder", &request.holder, MAX_ACTOR_BYTES);
    fields.text("purpose", &request.purpose, MAX_PURPOSE_BYTES);
    let patterns = patterns(&mut fields, &request.patterns);
    let mode = mode(&mut fields, request.mode);
    let ttl = fields.files_ttl(request.ttl.as_ref());
    let wait = fields.wait(request.wait.as_ref());
    let fence = fields.fence(request.fence.as_ref());
    fields.finish()?;

    let lease_request = LeaseRequest {
        workspace,
        spec: LeaseSpec {
            holder: request.holder,
            mode,
            patterns,
        },
        purpose: request.purpose,
        ttl,
        fence,
    };
    Ok((lease_request, wait))
}

fn mode(fields: &mut Fields, mode: i32) -> FileLeaseMode {
    match FileLeaseMode::try_from(mode) {
        Ok(FileLeaseMode::Unspecified | FileLeaseMode::Exclusive) => FileLeaseMode::Exclusive,
        Ok(FileLeaseMode::Shared) => FileLeaseMode::Shared,
        Err(_) => {
            fields.refuse(
                "mode",
                format!("must be EXCLUSIVE (1) or SHARED (2); it is {mode}"),
            );
            FileLeaseMode::Exclusive
        }
    }
}

struct Acquisition<'a> {
    api: &'a Api,
    idempotency_key: IdempotencyKey,
    lease_request: LeaseRequest,
}

impl Acquisition<'_> {
    async fn try_acquire(&self) -> Result<FileLease, CoordinationError> {
        let files = &self.api.store.files;
        match files
            .acquire(&self.idempotency_key, &self.lease_request)
            .await?
        {
            LeaseOutcome::Leased(lease) => Ok(lease),
            LeaseOutcome::Held(conflicts) => {
                Err(CoordinationError::FilesHeld(describe_conflicts(&conflicts)))
            }
        }
    }

    /// Tries after every release that is published for the workspace, and after every poll interval.
    async fn wait(&self, deadline: Instant) -> Result<FileLease, CoordinationError> {
        let topic = Topic::Channel(self.api.store.keys.channel(RELEASED));
        let mut subscription = self.api.store.pubsub.subscribe(topic).await?;
        loop {
            let refused = self.try_acquire().await;
            if !matches!(
                refused,
                Err(CoordinationError::FilesHeld(_) | CoordinationError::Store(Error::Overloaded))
            ) {
                return refused;
            }
            let released = subscription.wait_for(|publication| {
                publication.data.get("workspace").and_then(|v| v.as_str())
                    == Some(&self.lease_request.workspace)
            });
            // Jitter keeps many waiters from trying in step.
            let poll_after = POLL_EVERY.mul_f64(rand::random_range(0.5..1.0));
            tokio::select! {
                () = released => {}
                () = tokio::time::sleep(poll_after) => {}
                () = tokio::time::sleep_until(deadline) => return refused,
                () = self.api.background.shutdown().wait() => return Err(Error::Stopping.into()),
            }
        }
    }
}
