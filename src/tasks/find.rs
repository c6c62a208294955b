//! Finding the task that an argument names: by an id, part of an id, or `JOB/KEY` for a subtask.

use shim_proto::coordination::v1::{GetTaskRequest, Task};
use shim_render::text::{one_line, short_id};
use uuid::Uuid;

use super::pages::{TaskFilter, list_all};
use crate::connection::{Coordination, call, request};
use crate::error::CliError;
use crate::id_prefix::{IdPrefix, Identified, pick};

/// How many jobs are searched for part of an id.
const JOBS: usize = 10_000;
/// How many of the newest jobs are searched for part of a subtask's id: each costs a call.
const JOBS_WITH_SUBTASKS: usize = 200;

/// The task that the argument names.
///
/// # Errors
/// If no task or more than one has such a name.
pub(crate) async fn find(service: &mut Coordination, typed: &str) -> Result<Task, CliError> {
    if let Some((job, key)) = typed.split_once('/') {
        let job = Box::pin(find(service, job)).await?;
        return by_key(service, &job, key).await;
    }
    if let Ok(id) = Uuid::try_parse(typed) {
        let asked = GetTaskRequest {
            task_id: id.to_string(),
            with_subtasks: false,
        };
        let found = call(service.tasks.get_task(request(asked))).await?;
        return found
            .task
            .ok_or_else(|| CliError::new("the service answered without a task"));
    }
    by_id_prefix(service, &IdPrefix::of(typed, Task::NOUN)?).await
}

async fn by_key(service: &mut Coordination, job: &Task, key: &str) -> Result<Task, CliError> {
    let subtasks = subtasks(service, job).await?;
    let found = subtasks.into_iter().find(|task| task.key == key);
    found.ok_or_else(|| {
        let id = short_id(&job.task_id);
        CliError::new(format!(
            "job {id} has no subtask \"{}\"",
            one_line(key, 100)
        ))
        .hint(format!("`shim tasks list --root {id}` shows those it has"))
    })
}

/// Jobs come first; subtasks are read only if no job has such an id, since each job costs a call.
async fn by_id_prefix(service: &mut Coordination, digits: &IdPrefix) -> Result<Task, CliError> {
    let jobs = list_all(service, &TaskFilter::default(), JOBS).await?;
    if jobs.iter().any(|job| digits.matches(&job.task_id)) {
        return pick(jobs, digits);
    }
    let split = jobs.iter().filter(|job| job.subtasks.is_some());
    let mut matching = Vec::new();
    for job in split.take(JOBS_WITH_SUBTASKS) {
        let subtasks = subtasks(service, job).await?;
        matching.extend(
            subtasks
                .into_iter()
                .filter(|task| digits.matches(&task.task_id)),
        );
    }
    pick(matching, digits)
}

async fn subtasks(service: &mut Coordination, job: &Task) -> Result<Vec<Task>, CliError> {
    let filter = TaskFilter {
        root_id: job.task_id.clone(),
        ..TaskFilter::default()
    };
    list_all(service, &filter, usize::MAX).await
}
