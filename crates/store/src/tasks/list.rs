//! Lists of tasks, in pages.

use shim_proto::coordination::v1::{Task, TaskState};

use super::reader::ListArgs;
use super::rows::Row;
use super::task_store::Tasks;
use crate::error::Error;

/// Which tasks a list holds.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Empty: any.
    pub states: Vec<TaskState>,
    /// Only tasks that this worker has or had last; empty: any worker. With `Running` alone, subtasks too.
    pub worker_id: String,
    /// Only the subtasks of this job; empty: jobs.
    pub root_id: String,
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// The tasks, without results.
    pub tasks: Vec<Task>,
    /// Where the next page begins.
    pub next: Option<String>,
}

impl Tasks {
    /// A page of jobs, the newest first; of the subtasks of one, in their order; or of all that a worker runs, if only
    /// running ones of a worker are asked for. `after` is where an earlier page ended.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn list(
        &self,
        filter: &Filter,
        after: Option<&str>,
        count: u32,
    ) -> Result<Page, Error> {
        let slot = &self.runner.slot;
        let is_running = filter.states.as_slice() == [TaskState::Running];
        let (key, newest_first) = match (filter.root_id.as_str(), filter.worker_id.as_str()) {
            ("", worker) if is_running && !worker.is_empty() => {
                (slot.item("running", worker), false)
            }
            ("", _) => (slot.key("jobs"), true),
            (root, _) => (slot.item("parts", root), false),
        };
        let states = filter.states.iter();
        let page = ListArgs {
            key,
            newest_first,
            from: after.and_then(|after| after.parse().ok()).unwrap_or(0),
            max: count,
            states: states.map(|state| i32::from(*state).to_string()).collect(),
            worker: &filter.worker_id,
        };
        let read = self.reader.list(&page).await?;
        Ok(Page {
            tasks: read.rows.iter().map(Row::task).collect::<Result<_, _>>()?,
            next: read.next.map(|next| next.to_string()),
        })
    }
}
