//! Reading the list of sessions.

use shim_proto::checkpoint::v1::{ListSessionsRequest, MissingCheckpoints, Session, SessionStatus};
use shim_proto::limits::MAX_PAGE_SIZE;

use crate::connection::{Checkpoints, call, request};
use crate::error::CliError;
use crate::output::say;
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
    let mut ignored = Vec::new();
    list(service, filter, limit, false, &mut ignored).await
}

/// The same sessions, and what is missing of their checkpoints.
///
/// # Errors
/// If the service fails.
pub(super) async fn list_checked(
    service: &mut Checkpoints,
    filter: &SessionFilter,
    limit: usize,
) -> Result<(Vec<Session>, Vec<MissingCheckpoints>), CliError> {
    let mut missing = Vec::new();
    let sessions = list(service, filter, limit, true, &mut missing).await?;
    Ok((sessions, missing))
}

async fn list(
    service: &mut Checkpoints,
    filter: &SessionFilter,
    limit: usize,
    check_numbers: bool,
    missing: &mut Vec<MissingCheckpoints>,
) -> Result<Vec<Session>, CliError> {
    pages(limit, MAX_PAGE_SIZE, async |size, page_token| {
        let page = ListSessionsRequest {
            project: filter.project.clone(),
            status: filter.status.into(),
            page_size: size.cast_signed(),
            page_token,
            check_numbers,
        };
        let page = call(service.list_sessions(request(page))).await?;
        if page.damaged > 0 {
            say::line(format_args!(
                "warning: {} damaged session rows were left out; run `shim doctor`",
                page.damaged
            ));
        }
        missing.extend(page.missing);
        Ok((page.sessions, page.next_page_token))
    })
    .await
}
