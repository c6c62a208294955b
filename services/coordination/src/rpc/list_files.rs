//! ListFiles: the file leases of a workspace, or those that cover given paths.

use shim_proto::coordination::v1::{FileLease, ListFilesRequest, ListFilesResponse};
use shim_proto::limits::MAX_LIST;
use shim_proto::limits::coordination::MAX_ACTOR_BYTES;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::patterns::{paths, with_linked};

pub(super) async fn handle(
    api: &Api,
    mut request: ListFilesRequest,
) -> Result<ListFilesResponse, Status> {
    let mut fields = Fields::default();
    let workspace = fields.namespace("workspace", &request.workspace);
    let asked = std::mem::take(&mut request.paths);
    fields.list("paths", asked.len(), MAX_LIST);
    let asked = if asked.len() > MAX_LIST {
        Vec::new()
    } else {
        with_linked(&request.workspace, asked).await
    };
    let paths = paths(&mut fields, &asked);
    fields.line("holder", &request.holder, MAX_ACTOR_BYTES);
    fields.line("except_holder", &request.except_holder, MAX_ACTOR_BYTES);
    fields.finish()?;

    let (only, except) = (request.holder, request.except_holder);
    let is_asked_for = |lease: &FileLease| {
        (only.is_empty() || lease.holder == only) && (except.is_empty() || lease.holder != except)
    };
    let files = &api.store.files;
    let leases = files.list(&workspace, is_asked_for, paths).await?;
    Ok(ListFilesResponse { leases })
}
