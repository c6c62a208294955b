//! ListState: the entries of a namespace in the order of their keys, in pages. An older version kept them under the
//! namespace as it was spelled.

use shim_proto::coordination::v1::{ListStateRequest, ListStateResponse};
use tonic::Status;

use super::api::Api;
use super::fields::{Fields, is_other_spelling, page_token};

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
    let after = after.as_deref();
    let mut page = states.list(&namespace, &prefix, after, count).await?;
    if page.entries.is_empty() && is_other_spelling(&request.namespace, &namespace) {
        let older = &request.namespace;
        page = states.list(older, &prefix, after, count).await?;
    }
    Ok(ListStateResponse {
        entries: page.entries,
        next_page_token: page_token(page.next.as_deref()),
    })
}
