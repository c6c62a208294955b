//! `shim tasks list`: jobs, or the subtasks of one.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::coordination::v1::{ListTasksResponse, Task, TaskState};
use shim_render::figures::percent;
use shim_render::text::{one_line, short_id};
use shim_render::time::span;

use super::find::find;
use super::job::{progress, time_worked};
use super::labels::{State, name, state};
use super::pages::{TaskFilter, list_all};
use crate::connection::Coordination;
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::table::{Align, Table};
use crate::output::time::{ago, now};
use crate::workers::find::find as find_worker;

const GOAL_WIDTH: usize = 56;
const KEY_WIDTH: usize = 28;

/// What to list.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The subtasks of this job instead of jobs
    #[arg(long, value_name = "JOB")]
    root: Option<String>,
    /// Only those in this state; may be given again for another
    #[arg(long, value_enum)]
    state: Vec<State>,
    /// Only those this worker has or had last
    #[arg(long, value_name = "WORKER")]
    worker: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,
    /// Print canonical proto JSON (a ListTasksResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Coordination,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let mut filter = TaskFilter {
        states: args.state.iter().map(|state| (*state).into()).collect(),
        ..TaskFilter::default()
    };
    if let Some(typed) = &args.root {
        filter.root_id = find(&mut service, typed).await?.task_id;
    }
    if let Some(typed) = &args.worker {
        filter.worker_id = find_worker(&mut service, typed).await?.worker_id;
    }
    let tasks = list_all(&mut service, &filter, args.limit).await?;
    let listed = ListTasksResponse {
        tasks,
        ..ListTasksResponse::default()
    };
    emit(args.json, &listed, out, |out| {
        print(&listed.tasks, args.root.is_some(), out)
    })
}

/// Prints jobs, or the subtasks of one.
pub(super) fn print(tasks: &[Task], are_subtasks: bool, out: &mut dyn Write) -> io::Result<()> {
    if tasks.is_empty() {
        writeln!(out, "no tasks")
    } else if are_subtasks {
        subtasks(tasks).print(out)
    } else {
        jobs(tasks).print(out)
    }
}

fn jobs(tasks: &[Task]) -> Table {
    let mut table = Table::new(&[
        ("TASK", Align::Left),
        ("STATE", Align::Left),
        ("DONE", Align::Right),
        ("PARTS", Align::Right),
        ("PRIO", Align::Right),
        ("SUBMITTED", Align::Left),
        ("TOOK", Align::Right),
        ("GOAL", Align::Left),
    ]);
    for task in tasks {
        let parts = task.subtasks.filter(|counts| counts.total > 0);
        table.row([
            short_id(&task.task_id).to_owned(),
            state_text(task),
            percent(progress(task)),
            parts.map_or("-".to_owned(), |counts| {
                format!("{}/{}", counts.completed, counts.total)
            }),
            task.priority.to_string(),
            ago(task.created_at.as_ref()),
            took(task),
            one_line(&task.goal, GOAL_WIDTH),
        ]);
    }
    table
}

fn subtasks(tasks: &[Task]) -> Table {
    let mut table = Table::new(&[
        ("TASK", Align::Left),
        ("KEY", Align::Left),
        ("STATE", Align::Left),
        ("DONE", Align::Right),
        ("TRIES", Align::Right),
        ("TOOK", Align::Right),
        ("WORKER", Align::Left),
        ("GOAL", Align::Left),
    ]);
    for task in tasks {
        table.row([
            short_id(&task.task_id).to_owned(),
            one_line(&name(task), KEY_WIDTH),
            state_text(task),
            percent(progress(task)),
            format!("{}/{}", task.attempts, task.max_attempts),
            took(task),
            match task.worker_id.as_str() {
                "" => "-".to_owned(),
                id => short_id(id).to_owned(),
            },
            one_line(&task.goal, GOAL_WIDTH),
        ]);
    }
    table
}

/// A state in a word or two; of a schedule, of what is stuck and of what is held up, that.
fn state_text(task: &Task) -> String {
    match state(task.state()) {
        delayed if task.state() == TaskState::Delayed && !task.schedule.is_empty() => {
            format!("{delayed}, {}", one_line(&task.schedule, 40))
        }
        running if task.stuck => format!("{running}, stuck"),
        ready if task.queue_paused => format!("{ready}, queue paused"),
        ready if task.file_wait.is_some() => format!("{ready}, waits for files"),
        state => state,
    }
}

fn took(task: &Task) -> String {
    time_worked(task, now()).map_or("-".to_owned(), span)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use shim_proto::coordination::v1::TaskCounts;

    fn printed(table: &Table) -> String {
        let mut text = Vec::new();
        table.print(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_job_is_a_row() {
        let mut job = Task {
            task_id: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
            goal: "move\nthe store".into(),
            state: TaskState::Running.into(),
            progress: 0.36,
            priority: 50,
            subtasks: Some(TaskCounts {
                total: 4,
                completed: 1,
                ..TaskCounts::default()
            }),
            ..Task::default()
        };
        let text = printed(&jobs(&[job.clone()]));
        assert!(
            text.contains("099a8057  running  36 %    1/4    50"),
            "{text}"
        );
        job.stuck = true;
        assert_eq!(state_text(&job), "running, stuck");
        (job.state, job.schedule) = (TaskState::Delayed.into(), "0 3 * * *".into());
        job.stuck = false;
        assert_eq!(state_text(&job), "delayed, 0 3 * * *");
    }
}
