//! ListLocks: the held locks of a namespace in the order of their names, in pages.

use shim_proto::coordination::v1::{ListLocksRequest, ListLocksResponse};
use tonic::Status;

use super::api::Api;
use super::fields::{Fields, page_token};

pub(super) async fn handle(
    api: &Api,
    request: ListLocksRequest,
) -> Result<ListLocksResponse, Status> {
    let mut fields = Fields::default();
    let namespace = fields.namespace("namespace", &request.namespace);
    let count = fields.page(request.page_size);
    let after = fields.name_token(&request.page_token).unwrap_or_default();
    fields.finish()?;

    let (locks, next) = api.store.locks.list(&namespace, &after, count).await?;
    Ok(ListLocksResponse {
        locks,
        next_page_token: page_token(next.as_deref()),
    })
}
