//! Finding the task that an argument names: by an id, part of an id, or `JOB/KEY` for a subtask.

use shim_proto::coordination::v1::{GetTaskRequest, Task};
use shim_render::id_part::IdPart;
use shim_render::text::{one_line, short_id};
use uuid::Uuid;

use super::pages::{TaskFilter, list_all};
use crate::connection::{Coordination, call, request};
use crate::error::CliError;
use crate::id_prefix::{Identified, part_of_id, pick};

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
    by_part_of_id(service, &part_of_id::<Task>(typed)?).await
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
        .for_reason(Task::UNKNOWN)
        .hint(format!("`shim tasks list --root {id}` shows those it has"))
    })
}

/// The task that a text from the environment names; `None` if it names none.
///
/// # Errors
/// If it names more than one, or the service fails.
pub(super) async fn find_if_any(
    service: &mut Coordination,
    typed: &str,
) -> Result<Option<Task>, CliError> {
    match find(service, typed).await {
        Err(unknown) if unknown.is_for(Task::UNKNOWN) => Ok(None),
        found => found.map(Some),
    }
}

/// Jobs come first; subtasks are read only if no job has such an id, since each job costs a call.
async fn by_part_of_id(service: &mut Coordination, digits: &IdPart) -> Result<Task, CliError> {
    let jobs = list_all(service, &TaskFilter::default(), usize::MAX).await?;
    if jobs.iter().any(|job| digits.matches(&job.task_id)) {
        return pick(jobs, digits);
    }
    let mut found = Vec::new();
    for job in jobs.iter().filter(|job| job.subtasks.is_some()) {
        let subtasks = subtasks(service, job).await?;
        found.extend(
            subtasks
                .into_iter()
                .filter(|task| digits.matches(&task.task_id)),
        );
    }
    pick(found, digits)
}

async fn subtasks(service: &mut Coordination, job: &Task) -> Result<Vec<Task>, CliError> {
    let filter = TaskFilter {
        root_id: job.task_id.clone(),
        ..TaskFilter::default()
    };
    list_all(service, &filter, usize::MAX).await
}
