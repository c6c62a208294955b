//! AggregateResults: the merged result of a job, or of the subtasks that are completed so far.

use futures::{StreamExt, stream};
use shim_proto::coordination::v1::{
    AggregateResultsRequest, AggregateResultsResponse, MergeStrategy, MissingResult, Task,
    TaskResult, TaskState,
};
use shim_store::tasks::Job;
use shim_store::{Error, Store};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::domain::merge::{Merged, select_results};

/// Results read at a time.
const MAX_CONCURRENT_READS: usize = 8;

pub(super) async fn handle(
    api: &Api,
    request: AggregateResultsRequest,
) -> Result<AggregateResultsResponse, Status> {
    let mut fields = Fields::default();
    let task_id = fields.task_id(&request.task_id).to_string();
    let strategies = "CONCATENATE, MERGE, FIRST, LAST or left out for the job's";
    fields.one_of::<MergeStrategy>("merge", request.merge, strategies);
    fields.finish()?;

    let tasks = &api.store.tasks;
    let job = tasks.job(&task_id, false).await?;
    let Job { root, subtasks, .. } = job.ok_or(Error::TaskNotFound(task_id))?;
    let strategy = match request.merge() {
        MergeStrategy::Unspecified => root.merge(),
        asked => asked,
    };
    // The result of a task without subtasks is its own.
    let (strategy, parts) = match root.subtasks {
        None => (MergeStrategy::First, vec![root.clone()]),
        Some(_) => (strategy, subtasks),
    };
    let (done, missing): (Vec<_>, Vec<_>) = parts
        .into_iter()
        .partition(|task| task.state() == TaskState::Completed);
    Ok(AggregateResultsResponse {
        task: Some(root),
        result: merge_results(&api.store, strategy, &done).await?,
        complete: missing.is_empty(),
        missing: missing.into_iter().map(missing_result).collect(),
    })
}

/// Reads a few results at a time: all of them together may be much larger than the merged result.
async fn merge_results(
    store: &Store,
    strategy: MergeStrategy,
    done: &[Task],
) -> Result<Option<TaskResult>, Error> {
    let times: Vec<_> = done.iter().map(|task| task.finished_at).collect();
    let chosen = select_results(strategy, &times).into_iter();
    let reads = chosen.map(|index| store.tasks.get(&done[index].task_id));
    let mut read = stream::iter(reads.collect::<Vec<_>>()).buffered(MAX_CONCURRENT_READS);
    let mut whole = Merged::by(strategy);
    while let Some(task) = read.next().await {
        if let Some(task) = task? {
            whole.add(task.result.unwrap_or_default());
        }
    }
    Ok(whole.finish())
}

fn missing_result(task: Task) -> MissingResult {
    MissingResult {
        state: task.state,
        task_id: task.task_id,
        key: task.key,
        error: task.error,
    }
}
