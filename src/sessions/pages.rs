//! Reading the list of sessions.

use shim_proto::checkpoint::v1::{ListSessionsRequest, Session, SessionStatus};
use shim_proto::limits::MAX_PAGE_SIZE;

use crate::connection::{Checkpoints, call, request};
use crate::error::CliError;
use crate::pages::pages;

/// Which sessions are listed.
#[derive(Debug, Clone, Default)]
pub(crate) struct SessionFilter {
    /// Only of this project; empty means all.
    pub(crate) project: String,
    /// Only in this status; unspecified means all.
    pub(crate) status: SessionStatus,
}

/// All sessions that pass the filter, up to `limit`, most recently changed first. Damaged rows are reported on stderr.
///
/// # Errors
/// If the service fails.
pub(crate) async fn list_all(
    service: &mut Checkpoints,
    filter: &SessionFilter,
    limit: usize,
) -> Result<Vec<Session>, CliError> {
    pages(limit, MAX_PAGE_SIZE, async |size, page_token| {
        let page = ListSessionsRequest {
            project: filter.project.clone(),
            status: filter.status.into(),
            page_size: size.cast_signed(),
            page_token,
        };
        let page = call(service.list_sessions(request(page))).await?;
        if page.damaged > 0 {
            eprintln!(
                "warning: {} damaged session rows were left out; run `shim doctor`",
                page.damaged
            );
        }
        Ok((page.sessions, page.next_page_token))
    })
    .await
}
