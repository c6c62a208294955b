//! AcquireFiles: leases files by patterns, all or none, waiting for them if told.
//!
//! Waiters have no order among themselves: whoever looks first when the files are free has them.

use std::time::Duration;

use shim_proto::coordination::v1::{
    AcquireFilesRequest, AcquireFilesResponse, FileLease, FileLeaseMode,
};
use shim_runtime::server::begin_waiting;
use shim_store::domain::leases::{LeaseSpec, describe_conflicts};
use shim_store::files::{LeaseOutcome, LeaseRequest, RELEASED};
use shim_store::{Error, IdempotencyKey, Topic};
use tokio::time::Instant;
use tonic::Status;

use super::api::Api;
use super::fields::{Fields, MAX_ACTOR_BYTES, MAX_PURPOSE_BYTES};
use super::patterns::patterns;
use crate::error::CoordinationError;

/// A waiter looks this often although nobody tells of a release: leases also end by themselves.
const POLL_EVERY: Duration = Duration::from_millis(500);

pub(super) async fn handle(
    api: &Api,
    request: AcquireFilesRequest,
) -> Result<AcquireFilesResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let workspace = fields.namespace("workspace", &request.workspace);
    fields.required("holder", &request.holder, MAX_ACTOR_BYTES);
    fields.text("purpose", &request.purpose, MAX_PURPOSE_BYTES);
    let patterns = patterns(&mut fields, &request.patterns);
    let mode = mode(&mut fields, request.mode);
    let ttl = fields.files_ttl(request.ttl.as_ref());
    let wait = fields.wait(request.wait.as_ref());
    fields.fence(request.fence.as_ref());
    fields.finish()?;

    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    let lease_request = LeaseRequest {
        workspace,
        spec: LeaseSpec {
            holder: request.holder,
            mode,
            patterns,
        },
        purpose: request.purpose,
        ttl,
        fence: request.fence.map(Into::into),
    };
    let lease = match wait {
        Duration::ZERO => match api
            .store
            .files
            .acquire(&idempotency_key, &lease_request)
            .await?
        {
            LeaseOutcome::Leased(lease) => lease,
            LeaseOutcome::Held(conflicts) => {
                return Err(CoordinationError::FilesHeld(describe_conflicts(&conflicts)).into());
            }
        },
        wait => {
            begin_waiting()?;
            wait_for(api, &idempotency_key, &lease_request, Instant::now() + wait).await?
        }
    };
    Ok(AcquireFilesResponse { lease: Some(lease) })
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

/// Tries whenever a release in the workspace is told, a lease in the way ends, or a moment has passed.
async fn wait_for(
    api: &Api,
    idempotency_key: &IdempotencyKey,
    lease_request: &LeaseRequest,
    deadline: Instant,
) -> Result<FileLease, CoordinationError> {
    let topic = Topic::Channel(api.store.keys.channel(RELEASED));
    let mut subscription = api.store.pubsub.subscribe(topic).await?;
    loop {
        let refused = match api
            .store
            .files
            .acquire(idempotency_key, lease_request)
            .await
        {
            Ok(LeaseOutcome::Leased(lease)) => return Ok(lease),
            Ok(LeaseOutcome::Held(conflicts)) => {
                CoordinationError::FilesHeld(describe_conflicts(&conflicts))
            }
            Err(Error::Overloaded) => Error::Overloaded.into(),
            Err(error) => return Err(error.into()),
        };
        let released = subscription.wait_for(|publication| {
            publication.data.get("workspace").and_then(|v| v.as_str())
                == Some(&lease_request.workspace)
        });
        // Jitter keeps many waiters from trying in step.
        let poll_after = POLL_EVERY.mul_f64(rand::random_range(0.5..1.0));
        tokio::select! {
            () = released => {}
            () = tokio::time::sleep(poll_after) => {}
            () = tokio::time::sleep_until(deadline) => return Err(refused),
            () = api.background.shutdown().wait() => return Err(Error::Stopping.into()),
        }
    }
}
