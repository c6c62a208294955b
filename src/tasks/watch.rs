//! `shim tasks watch`: shows a job until it ends, as a live tree at a terminal, else a line for every event.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::coordination::v1::{Task, TaskEvent, TaskEventKind, TaskState, WatchTaskResponse};
use shim_render::figures::percent;
use shim_render::text::{one_line, short_id};
use shim_render::time::moment;
use shim_render::words::{phrase, task_event_kind};
use tonic::{Response, Status, Streaming};

use super::event_log::open;
use super::find::find;
use super::job::{Job, has_ended};
use super::labels::{name, state};
use super::live;
use crate::connection::Coordination;
use crate::error::CliError;
use crate::event_stream::{EventStream, follow};
use crate::output::json;
use crate::output::screen::Screen;

/// What to watch.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code: 0 if the task completed, 1 if it failed or was called off.\n\n\
    At a terminal the job is drawn as a tree; elsewhere its log is told from the beginning, a line for every event."
)]
pub(crate) struct Args {
    /// The task: an id, its last eight digits, or JOB/KEY for a subtask
    task: String,
    /// Tell the log after this cursor of an earlier watch
    #[arg(
        long,
        value_name = "CURSOR",
        default_value = "",
        hide_default_value = true
    )]
    after: String,
    /// Print every event as canonical proto JSON (a WatchTaskResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Coordination,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let task_id = find(&mut service, &args.task).await?.task_id;
    let job = Job::read(&mut service, &task_id).await?;
    let mode = match OutputMode::for_stdout() {
        _ if args.json => OutputMode::Json,
        OutputMode::Live(_) if !args.after.is_empty() => OutputMode::Lines,
        mode => mode,
    };
    let for_people = !matches!(mode, OutputMode::Json);
    let ended = until_end(&mut service, job, mode, &args.after, out).await?;
    if for_people {
        print_next_step(&ended, out)?;
    }
    Ok(exit_code(&ended))
}

/// How a job is shown while it goes on.
#[derive(Debug)]
pub(super) enum OutputMode {
    /// As a tree that is drawn again and again.
    Live(Screen),
    /// A line for every event.
    Lines,
    /// A line of JSON for every event.
    Json,
    /// Not at all.
    Silent,
}

impl OutputMode {
    /// Live at a terminal, else lines.
    pub(super) fn for_stdout() -> Self {
        Screen::of_stdout().map_or(Self::Lines, Self::Live)
    }
}

/// Shows a job until it has ended, and yields the ended task.
///
/// # Errors
/// If the service refuses; breaks of the connection are waited out.
pub(super) async fn until_end(
    service: &mut Coordination,
    job: Job,
    mode: OutputMode,
    after: &str,
    out: &mut dyn Write,
) -> Result<Task, CliError> {
    let task_id = job.root.task_id.clone();
    if let OutputMode::Live(screen) = mode {
        live::watch(service, job, screen, out).await?;
    } else {
        let mut printer = TaskEventPrinter {
            service: service.clone(),
            has_ended: job.has_ended(),
            task_id: task_id.clone(),
            mode,
            out,
        };
        follow(after.to_owned(), &mut printer).await?;
    }
    Ok(Job::read(service, &task_id).await?.root)
}

/// 0 only for a completed task.
pub(super) fn exit_code(task: &Task) -> ExitCode {
    match task.state() {
        TaskState::Completed => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Prints how a task ended, and the command that goes on from there.
pub(super) fn print_next_step(task: &Task, out: &mut dyn Write) -> io::Result<()> {
    let (id, ended) = (short_id(&task.task_id), state(task.state()));
    let why = task.error.as_ref().map(|error| {
        let message = one_line(&error.message, 500);
        format!(": {} ({message})", one_line(&error.reason, 100))
    });
    let next = match task.state() {
        TaskState::Completed => format!("; `shim tasks results {id}` prints its result"),
        TaskState::Failed | TaskState::Cancelled => {
            format!(
                "{}; `shim tasks retry {id}` takes it up again",
                why.unwrap_or_default()
            )
        }
        _ => String::new(),
    };
    writeln!(out, "{id} {ended}{next}")
}

/// Prints the log of a job line by line.
struct TaskEventPrinter<'a> {
    service: Coordination,
    task_id: String,
    mode: OutputMode,
    has_ended: bool,
    out: &'a mut dyn Write,
}

impl EventStream for TaskEventPrinter<'_> {
    type Event = WatchTaskResponse;
    type Position = String;

    async fn open(&self, after: String) -> Result<Response<Streaming<WatchTaskResponse>>, Status> {
        open(&self.service, &self.task_id, after).await
    }

    async fn on_event(&mut self, response: WatchTaskResponse) -> Result<Option<String>, CliError> {
        match self.mode {
            OutputMode::Json => json::write_line(self.out, &response)?,
            OutputMode::Lines => {
                if let Some(event) = &response.event {
                    writeln!(self.out, "{}", line(event, response.task.as_ref()))?;
                }
            }
            OutputMode::Live(_) | OutputMode::Silent => {}
        }
        self.out.flush()?;
        if let Some(task) = response.task.filter(|task| task.task_id == self.task_id) {
            self.has_ended = has_ended(&task);
        }
        Ok(response.event.map(|event| event.cursor))
    }

    fn is_complete(&self) -> bool {
        self.has_ended
    }
}

fn line(event: &TaskEvent, task: Option<&Task>) -> String {
    let clock = moment(event.at.as_ref()).map_or("-".to_owned(), |at| {
        humantime::format_rfc3339_seconds(at).to_string()
    });
    let key = task.filter(|task| !task.key.is_empty()).map(name);
    let mut said = match event.kind() {
        TaskEventKind::Progress if event.progress <= 0.0 => "at work".to_owned(),
        TaskEventKind::Progress => percent(event.progress),
        kind => phrase(task_event_kind(kind)),
    };
    if event.kind() == TaskEventKind::Started && !event.worker_id.is_empty() {
        said += &format!(" by worker {}", short_id(&event.worker_id));
    }
    if !event.detail.is_empty() {
        said += &format!(": {}", one_line(&event.detail, 200));
    }
    let id = short_id(&event.task_id);
    format!("{clock}  {id}  {}  {said}", key.as_deref().unwrap_or("job"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use shim_proto::coordination::v1::TaskError;
    use std::time::{Duration, UNIX_EPOCH};

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn an_event_is_told_in_a_line() {
        let mut event = TaskEvent {
            at: Some((UNIX_EPOCH + Duration::from_secs(1_750_000_000)).into()),
            task_id: ID.into(),
            kind: TaskEventKind::Started.into(),
            worker_id: "01890a5d-ac96-774b-bcce-b30200000001".into(),
            ..TaskEvent::default()
        };
        let task = Task {
            key: "parse".into(),
            ..Task::default()
        };
        assert_eq!(
            line(&event, Some(&task)),
            "2025-06-15T15:06:40Z  099a8057  parse  started by worker 00000001"
        );
        event.kind = TaskEventKind::Progress.into();
        (event.progress, event.detail) = (0.45, "writing\nthe index".into());
        assert!(line(&event, None).ends_with("099a8057  job  45 %: writing the index"));
    }

    #[test]
    fn the_end_of_a_task_names_the_next_step() {
        let next_step_text = |state: TaskState, error: Option<TaskError>| {
            let task = Task {
                task_id: ID.into(),
                state: state.into(),
                error,
                ..Task::default()
            };
            let mut text = Vec::new();
            print_next_step(&task, &mut text).unwrap();
            String::from_utf8(text).unwrap()
        };
        assert_eq!(
            next_step_text(TaskState::Completed, None),
            "099a8057 completed; `shim tasks results 099a8057` prints its result\n"
        );
        let error = TaskError {
            reason: "TIMED_OUT".into(),
            message: "5 min\nwere not enough".into(),
        };
        assert_eq!(
            next_step_text(TaskState::Failed, Some(error)),
            "099a8057 failed: TIMED_OUT (5 min were not enough); `shim tasks retry 099a8057` takes it up again\n"
        );
    }
}
