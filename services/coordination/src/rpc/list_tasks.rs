//! ListTasks: jobs, or the subtasks of one, in pages.

use shim_proto::coordination::v1::{ListTasksRequest, ListTasksResponse};
use shim_proto::limits::coordination::MAX_ACTOR_BYTES;
use shim_proto::limits::{DEFAULT_PAGE_SIZE, task::MAX_PAGE_SIZE};
use shim_runtime::ids::TaskId;
use shim_store::Error;
use shim_store::tasks::Filter;
use tonic::Status;

use super::api::Api;
use super::fields::{Fields, page_token};

pub(super) async fn handle(
    api: &Api,
    request: ListTasksRequest,
) -> Result<ListTasksResponse, Status> {
    let mut fields = Fields::default();
    let root_id = fields.optional_id::<TaskId>("root_id", &request.root_id);
    let states = fields.task_states(&request.states);
    fields.line("worker_id", &request.worker_id, MAX_ACTOR_BYTES);
    let size = i32::try_from(request.page_size).unwrap_or(i32::MAX);
    let count = fields.page_size("page_size", size, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE);
    let after = fields.number_token(&request.page_token);
    fields.finish()?;

    let filter = Filter {
        states,
        worker_id: request.worker_id,
        root_id: root_id.map(String::from).unwrap_or_default(),
    };
    let tasks = &api.store.tasks;
    let mut page = tasks.list(&filter, after.as_deref(), count).await?;
    tasks.note_holds(&mut page.tasks).await?;
    let is_known = !page.tasks.is_empty() || filter.root_id.is_empty();
    if !is_known && tasks.get(&filter.root_id).await?.is_none() {
        return Err(Error::TaskNotFound(filter.root_id).into());
    }
    Ok(ListTasksResponse {
        tasks: page.tasks,
        next_page_token: page_token(page.next.as_deref()),
    })
}

impl Fields {
    /// A page token that holds a position of the store's list.
    fn number_token(&mut self, token: &str) -> Option<String> {
        let number = self.name_token(token)?;
        if number.parse::<u32>().is_err() {
            self.refuse_page_token();
        }
        Some(number)
    }
}
