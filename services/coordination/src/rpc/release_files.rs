//! ReleaseFiles: releases the named file leases of a holder, or all of them.

use shim_proto::coordination::v1::{ReleaseFilesRequest, ReleaseFilesResponse};
use shim_proto::limits::MAX_LIST;
use shim_proto::limits::coordination::MAX_ACTOR_BYTES;
use shim_runtime::ids::FileLeaseId;
use shim_store::IdempotencyKey;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: ReleaseFilesRequest,
) -> Result<ReleaseFilesResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let workspace = fields.namespace("workspace", &request.workspace);
    fields.required_line("holder", &request.holder, MAX_ACTOR_BYTES);
    let mut lease_ids = Vec::new();
    if fields.list("lease_ids", request.lease_ids.len(), MAX_LIST) {
        for (i, lease_id) in request.lease_ids.iter().enumerate() {
            lease_ids.push(fields.id::<FileLeaseId>(&format!("lease_ids[{i}]"), lease_id));
        }
    }
    fields.finish()?;

    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    let files = &api.store.files;
    let released = files
        .release(&idempotency_key, &workspace, &request.holder, &lease_ids)
        .await?;
    Ok(ReleaseFilesResponse { released })
}
