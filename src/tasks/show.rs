//! `shim tasks show`: one task with its tree, its result or error, and where its next worker goes on.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use shim_proto::coordination::v1::{GetTaskResponse, Task, TaskResult, TaskState};

use super::find::find;
use super::job::Job;
use super::labels::{requirements, state};
use super::tree::TreeLayout;
use super::worker_names::WorkerNames;
use crate::connection::Coordination;
use crate::error::CliError;
use crate::output::json;
use crate::output::text::{count, one_line, percent, printable, short_id};
use crate::output::time::{at, span};

/// Wider than any terminal: what is printed once may be long.
const TREE_WIDTH: usize = 400;

/// Which task.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task: an id, its last eight digits, or JOB/KEY for a subtask
    task: String,
    /// Print canonical proto JSON (a GetTaskResponse)
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
    if args.json {
        let found = GetTaskResponse {
            task: Some(job.root),
            subtasks: job.subtasks,
        };
        json::write_line(out, &found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut worker_names = WorkerNames::default();
    worker_names.fetch(&mut service, job.worker_ids()).await;
    about(&job, &worker_names, out)?;
    outcome(&job.root, out)?;
    if !job.subtasks.is_empty() {
        writeln!(out)?;
        for line in tree(&job, &worker_names) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tree(job: &Job, worker_names: &WorkerNames) -> Vec<String> {
    let layout = TreeLayout {
        workers: worker_names.names(),
        now: SystemTime::now(),
        rows: usize::MAX,
    };
    // The heading was told already.
    let lines = layout.tree(job).into_iter().skip(1);
    lines.map(|line| line.render(TREE_WIDTH, false)).collect()
}

fn about(job: &Job, worker_names: &WorkerNames, out: &mut dyn Write) -> io::Result<()> {
    let task = &job.root;
    let id = &task.task_id;
    writeln!(out, "task        {id}  (short: {})", short_id(id))?;
    if task.root_id != *id && !task.root_id.is_empty() {
        let key = one_line(&task.key, 100);
        writeln!(out, "part        {key} of job {}", task.root_id)?;
    }
    let goal = printable(&task.goal).replace('\n', "\n            ");
    writeln!(out, "goal        {goal}")?;
    if !task.kind.is_empty() {
        writeln!(out, "kind        {}", one_line(&task.kind, 100))?;
    }
    let stuck = if task.stuck { ", stuck" } else { "" };
    writeln!(
        out,
        "state       {}{stuck}, {}",
        state(task.state()),
        percent(job.progress())
    )?;
    if !task.note.is_empty() {
        writeln!(out, "note        {}", one_line(&task.note, 1_024))?;
    }
    asked(task, out)?;
    tries(task, out)?;
    if !task.worker_id.is_empty() {
        let name = worker_names.names().get(&task.worker_id);
        let name = name.map_or("", String::as_str);
        writeln!(
            out,
            "worker      {}  {}",
            one_line(name, 200),
            task.worker_id
        )?;
    }
    if !task.checkpoint_id.is_empty() {
        writeln!(out, "checkpoint  {}", task.checkpoint_id)?;
    }
    times(task, out)
}

/// What was asked for.
fn asked(task: &Task, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "priority    {}", task.priority)?;
    writeln!(
        out,
        "for         {}",
        requirements(task.requirements.as_ref())
    )?;
    if !task.files.is_empty() {
        writeln!(
            out,
            "files       {} in {}",
            one_line(&task.files.join(" "), 10_000),
            one_line(&task.workspace, 1_024)
        )?;
    }
    if !task.schedule.is_empty() {
        writeln!(out, "schedule    {} (UTC)", one_line(&task.schedule, 100))?;
    }
    if !task.scheduled_by.is_empty() {
        writeln!(out, "run of      {}", task.scheduled_by)?;
    }
    if let Some(payload) = &task.payload {
        writeln!(out, "payload     {}", json::free_form(payload))?;
    }
    Ok(())
}

fn tries(task: &Task, out: &mut dyn Write) -> io::Result<()> {
    let deaths = match task.worker_deaths {
        0 => String::new(),
        deaths => format!("; {} died with it", count(deaths.into(), "worker")),
    };
    let (attempts, most) = (task.attempts, task.max_attempts);
    writeln!(out, "tries       {attempts} of {most}{deaths}")?;
    if let Some(timeout) = task.timeout.and_then(|it| Duration::try_from(it).ok()) {
        writeln!(out, "time limit  {} each", span(timeout))?;
    }
    if let Some(usage) = task.usage {
        writeln!(
            out,
            "cost        {} tokens read, {} written, {:.2} US$",
            usage.input_tokens, usage.output_tokens, usage.cost_usd
        )?;
    }
    Ok(())
}

fn times(task: &Task, out: &mut dyn Write) -> io::Result<()> {
    let moments = [
        ("submitted", &task.created_at),
        ("not before", &task.not_before),
        ("deadline", &task.deadline),
        ("ready", &task.ready_at),
        ("started", &task.started_at),
        ("heard", &task.reported_at),
        ("ended", &task.finished_at),
    ];
    for (name, moment) in moments {
        if moment.is_some() {
            writeln!(out, "{name:<11} {}", at(moment.as_ref()))?;
        }
    }
    Ok(())
}

/// How it ended, or what the next step is.
fn outcome(task: &Task, out: &mut dyn Write) -> io::Result<()> {
    let id = short_id(&task.task_id);
    if let Some(error) = &task.error {
        let message = printable(&error.message).replace('\n', "\n            ");
        writeln!(
            out,
            "error       {}: {message}",
            one_line(&error.reason, 100)
        )?;
    }
    match task.state() {
        TaskState::Failed => writeln!(out, "next        shim tasks retry {id}"),
        TaskState::AwaitingApproval => {
            if let Some(result) = &task.result {
                writeln!(out, "\n{}", result_text(result).trim_end())?;
            }
            writeln!(out, "next        shim tasks approve {id}   (or --reject)")
        }
        TaskState::Completed => match &task.result {
            Some(result) => writeln!(out, "\n{}", result_text(result).trim_end()),
            None => writeln!(out, "next        shim tasks results {id}"),
        },
        _ => Ok(()),
    }
}

/// A result for people: its text, else its data.
pub(super) fn result_text(result: &TaskResult) -> String {
    match (&result.text, &result.data) {
        (text, Some(data)) if text.is_empty() => {
            serde_json::to_string_pretty(&json::free_form(data)).unwrap_or_default()
        }
        (text, _) => printable(text),
    }
}
