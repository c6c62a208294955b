//! ListWorkers: workers in the order of their ids, in pages.

use shim_proto::coordination::v1::{ListWorkersRequest, ListWorkersResponse};
use shim_store::registry::Filter;
use tonic::Status;

use super::api::Api;
use super::fields::{Fields, page_token};

pub(super) async fn handle(
    api: &Api,
    request: ListWorkersRequest,
) -> Result<ListWorkersResponse, Status> {
    let mut fields = Fields::default();
    if !request.capability.is_empty() {
        fields.capability("capability", &request.capability);
    }
    let state = fields.wanted_state(request.state);
    let count = fields.page(request.page_size);
    let after = fields.name_token(&request.page_token);
    fields.finish()?;

    let filter = Filter {
        capability: request.capability,
        state,
        include_gone: request.include_gone,
    };
    let registry = &api.store.registry;
    let page = registry.list(&filter, after.as_deref(), count).await?;
    Ok(ListWorkersResponse {
        workers: page.workers,
        next_page_token: page_token(page.next.as_deref()),
    })
}
