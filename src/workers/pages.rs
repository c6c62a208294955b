//! Reading the list of workers.

use shim_proto::coordination::v1::{ListWorkersRequest, Worker};
use shim_proto::limits::MAX_PAGE_SIZE;
use tonic::Status;

use crate::connection::{Coordination, call, request};
use crate::error::CliError;
use crate::pages::pages;

/// Which workers are listed.
#[derive(Debug, Clone, Default)]
pub(super) struct WorkerFilter {
    /// Only with this capability; empty means any.
    pub(super) capability: String,
    /// With the workers that are gone.
    pub(super) gone: bool,
}

/// All workers that pass the filter, up to `limit`, in the order of their ids.
///
/// # Errors
/// If the service fails.
pub(super) async fn list_all(
    service: &mut Coordination,
    filter: &WorkerFilter,
    limit: usize,
) -> Result<Vec<Worker>, CliError> {
    pages(limit, MAX_PAGE_SIZE, async |size, page_token| {
        let page = ListWorkersRequest {
            capability: filter.capability.clone(),
            include_gone: filter.gone,
            page_size: size.cast_signed(),
            page_token,
            ..ListWorkersRequest::default()
        };
        let page = call(service.registry.list_workers(request(page))).await?;
        Ok((page.workers, page.next_page_token))
    })
    .await
}

/// The first thousand living workers, enough for a status.
///
/// # Errors
/// With the service's status, which callers judge by its reason.
pub(crate) async fn page(service: &mut Coordination) -> Result<Vec<Worker>, Status> {
    let page = ListWorkersRequest {
        page_size: MAX_PAGE_SIZE.cast_signed(),
        ..ListWorkersRequest::default()
    };
    Ok(call(service.registry.list_workers(request(page)))
        .await?
        .workers)
}
