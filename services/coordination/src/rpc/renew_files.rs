//! RenewFiles: extends the time of a file lease.

use shim_proto::coordination::v1::{RenewFilesRequest, RenewFilesResponse};
use shim_proto::limits::coordination::MAX_ACTOR_BYTES;
use shim_runtime::ids::FileLeaseId;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: RenewFilesRequest,
) -> Result<RenewFilesResponse, Status> {
    let mut fields = Fields::default();
    let workspace = fields.namespace("workspace", &request.workspace);
    let lease_id = fields.id::<FileLeaseId>("lease_id", &request.lease_id);
    fields.required_line("holder", &request.holder, MAX_ACTOR_BYTES);
    let ttl = fields.files_ttl(request.ttl.as_ref());
    fields.finish()?;

    let files = &api.store.files;
    let lease = files
        .renew(&workspace, lease_id, &request.holder, ttl)
        .await?;
    Ok(RenewFilesResponse { lease: Some(lease) })
}
