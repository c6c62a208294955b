//! Reading the lists of jobs and of subtasks.

use shim_proto::coordination::v1::{ListTasksRequest, Task, TaskState};
use shim_proto::limits::task::MAX_PAGE_SIZE;

use crate::connection::{Coordination, call, request};
use crate::error::CliError;
use crate::pages::pages;

/// Which tasks are listed.
#[derive(Debug, Clone, Default)]
pub(crate) struct TaskFilter {
    /// The subtasks of this job; empty means jobs.
    pub(crate) root_id: String,
    /// Only in one of these states; none means any.
    pub(crate) states: Vec<TaskState>,
    /// Only of this worker; empty means any.
    pub(crate) worker_id: String,
}

/// All tasks that pass the filter, up to `limit`: jobs newest first, subtasks in their order.
///
/// # Errors
/// If the service fails.
pub(crate) async fn list_all(
    service: &mut Coordination,
    filter: &TaskFilter,
    limit: usize,
) -> Result<Vec<Task>, CliError> {
    pages(limit, MAX_PAGE_SIZE, async |page_size, page_token| {
        let page = ListTasksRequest {
            root_id: filter.root_id.clone(),
            states: filter.states.iter().map(|state| (*state).into()).collect(),
            worker_id: filter.worker_id.clone(),
            page_size,
            page_token,
        };
        let page = call(service.tasks.list_tasks(request(page))).await?;
        Ok((page.tasks, page.next_page_token))
    })
    .await
}
