//! ListState: the entries of a namespace in the order of their keys, in pages.

use shim_proto::coordination::v1::{ListStateRequest, ListStateResponse};
use tonic::Status;

use super::api::Api;
use super::fields::{Fields, page_token};

pub(super) async fn handle(
    api: &Api,
    request: ListStateRequest,
) -> Result<ListStateResponse, Status> {
    let mut fields = Fields::default();
    let namespace = fields.namespace("namespace", &request.namespace);
    let prefix = request.key_prefix;
    fields.key_prefix("key_prefix", &prefix);
    let count = fields.page(request.page_size);
    let after = fields.name_token(&request.page_token);
    fields.finish()?;

    let states = &api.store.state;
    let page = states
        .list(&namespace, &prefix, after.as_deref(), count)
        .await?;
    Ok(ListStateResponse {
        entries: page.entries,
        next_page_token: page_token(page.next.as_deref()),
    })
}
