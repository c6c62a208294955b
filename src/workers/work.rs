//! The tasks that a worker has now.

use shim_proto::coordination::v1::{Task, TaskState, Worker};
use shim_render::figures::percent;
use shim_render::text::{one_line, short_id};

use crate::connection::Coordination;
use crate::error::CliError;
use crate::tasks::pages::{TaskFilter, list_all};

/// A line shows fewer tasks than this.
const MAX_TASKS: usize = 100;

/// The tasks a worker has, at most a hundred.
///
/// # Errors
/// If the service fails.
pub(super) async fn running(
    service: &mut Coordination,
    worker: &Worker,
) -> Result<Vec<Task>, CliError> {
    let filter = TaskFilter {
        states: vec![TaskState::Running],
        worker_id: worker.worker_id.clone(),
        ..TaskFilter::default()
    };
    list_all(service, &filter, MAX_TASKS).await
}

/// The tasks of a worker in a few words; a worker without tasks costs no call.
pub(super) async fn at_work(service: &mut Coordination, worker: &Worker) -> String {
    if worker.running == 0 {
        return String::new();
    }
    // The table of workers is printed without the tasks if they cannot be read.
    let tasks = running(service, worker).await.unwrap_or_default();
    let texts: Vec<String> = tasks.iter().map(brief).collect();
    texts.join(", ")
}

/// "099a8057 parse 45 %".
pub(super) fn brief(task: &Task) -> String {
    let what = if task.key.is_empty() {
        &task.goal
    } else {
        &task.key
    };
    let stuck = if task.stuck { ", stuck" } else { "" };
    format!(
        "{} {} {}{stuck}",
        short_id(&task.task_id),
        one_line(what, 32),
        percent(task.progress)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_told_by_its_key_or_else_its_goal() {
        let mut task = Task {
            task_id: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
            goal: "port\nthe parser".into(),
            progress: 0.45,
            ..Task::default()
        };
        assert_eq!(brief(&task), "099a8057 port the parser 45 %");
        (task.key, task.stuck) = ("parse".into(), true);
        assert_eq!(brief(&task), "099a8057 parse 45 %, stuck");
    }
}
