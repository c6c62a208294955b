//! `shim tasks show`: one task with its tree, its result or error, and the next command.

use std::collections::HashMap;
use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::coordination::v1::{GetTaskResponse, Task, TaskResult, TaskState};
use shim_render::figures::{count, percent};
use shim_render::page::Page;
use shim_render::tasks::{cost, held_up, requirements, schedule_runs};
use shim_render::text::{one_line, short_id};
use shim_render::time::{duration, span};

use super::find::find;
use super::job::Job;
use super::labels::state;
use super::tree::TreeLayout;
use super::worker_names::WorkerNames;
use crate::connection::Coordination;
use crate::error::CliError;
use crate::output::fields::Fields;
use crate::output::json;
use crate::output::lines::block;
use crate::output::time::{at, now};

/// Wider than any terminal: output that is printed once is not cut to the terminal.
const TREE_WIDTH: usize = 400;
/// Columns of the names of fields.
const NAME_WIDTH: usize = 11;

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
    print(&job, worker_names.names(), out)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a task; `workers` are names of workers by their ids.
pub(super) fn print(
    job: &Job,
    workers: &HashMap<String, String>,
    out: &mut dyn Write,
) -> io::Result<()> {
    about(job, workers, out)?;
    outcome(&job.root, out)?;
    if job.subtasks.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let layout = TreeLayout {
        workers,
        now: now(),
        rows: usize::MAX,
    };
    // The first line of the tree is the goal, which stands above already.
    for line in layout.tree(job).into_iter().skip(1) {
        writeln!(out, "{}", line.render(TREE_WIDTH, false))?;
    }
    Ok(())
}

fn about(job: &Job, workers: &HashMap<String, String>, out: &mut dyn Write) -> io::Result<()> {
    let mut fields = Fields::new(NAME_WIDTH, out);
    let (task, id) = (&job.root, &job.root.task_id);
    fields.line("task", format_args!("{id}  (short: {})", short_id(id)))?;
    if task.root_id != *id && !task.root_id.is_empty() {
        let key = one_line(&task.key, 100);
        fields.line("part", format_args!("{key} of job {}", task.root_id))?;
    }
    fields.paragraph("goal", &task.goal)?;
    fields.optional("kind", &task.kind, 100)?;
    let stuck = if task.stuck { ", stuck" } else { "" };
    let (state, done) = (state(task.state()), percent(job.progress()));
    fields.line("state", format_args!("{state}{stuck}, {done}"))?;
    if let Some(held_up) = held_up(task, now()) {
        fields.line("held up", held_up)?;
    }
    fields.optional("note", &task.note, 1_024)?;
    asked(task, &mut fields)?;
    tries(task, &mut fields)?;
    if !task.worker_id.is_empty() {
        let name = workers.get(&task.worker_id).map_or("", String::as_str);
        let name = one_line(name, 200);
        fields.line("worker", format_args!("{name}  {}", task.worker_id))?;
    }
    fields.optional("checkpoint", &task.checkpoint_id, 100)?;
    times(task, &mut fields)
}

/// What the submitter asked for.
fn asked(task: &Task, fields: &mut Fields<'_>) -> io::Result<()> {
    fields.line("priority", task.priority)?;
    fields.line("for", requirements(task.requirements.as_ref()))?;
    if !task.files.is_empty() {
        let files = one_line(&task.files.join(" "), 10_000);
        let workspace = one_line(&task.workspace, 1_024);
        fields.line("files", format_args!("{files} in {workspace}"))?;
    }
    if !task.schedule.is_empty() {
        let schedule = one_line(&task.schedule, 100);
        fields.line("schedule", format_args!("{schedule} (UTC)"))?;
        fields.line("runs", schedule_runs(task))?;
        fields.optional("last run", &task.last_run_id, 100)?;
    }
    if !task.parent_id.is_empty() {
        let (parent, depth) = (&task.parent_id, task.depth);
        fields.line(
            "on behalf",
            format_args!("of task {parent}, at depth {depth}"),
        )?;
    }
    fields.optional("run of", &task.scheduled_by, 100)?;
    match &task.payload {
        Some(payload) => fields.line("payload", json::free_form(payload)),
        None => Ok(()),
    }
}

fn tries(task: &Task, fields: &mut Fields<'_>) -> io::Result<()> {
    let deaths = match task.worker_deaths {
        0 => String::new(),
        deaths => format!("; {} died with it", count(deaths.into(), "worker")),
    };
    let (attempts, most) = (task.attempts, task.max_attempts);
    fields.line("tries", format_args!("{attempts} of {most}{deaths}"))?;
    if let Some(timeout) = duration(task.timeout) {
        fields.line("time limit", format_args!("{} each", span(timeout)))?;
    }
    if let Some(budget) = task.max_budget {
        fields.line("budget", format_args!("{budget:.2} US$ in all"))?;
    }
    if let Some(usage) = task.usage {
        fields.line("cost", cost(&usage))?;
    }
    Ok(())
}

fn times(task: &Task, fields: &mut Fields<'_>) -> io::Result<()> {
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
            fields.line(name, at(moment.as_ref()))?;
        }
    }
    Ok(())
}

/// The result or error of a task, and the next command.
fn outcome(task: &Task, out: &mut dyn Write) -> io::Result<()> {
    let id = short_id(&task.task_id);
    if let Some(error) = &task.error {
        let reason = one_line(&error.reason, 100);
        let message = format!("{reason}: {}", error.message);
        Fields::new(NAME_WIDTH, out).paragraph("error", &message)?;
    }
    if let Some(result) = &task.result {
        let mut fields = Fields::new(NAME_WIDTH, out);
        for denial in &result.denials {
            fields.line("denied", one_line(denial, 500))?;
        }
        for remark in &result.remarks {
            fields.line("remark", one_line(remark, 1_024))?;
        }
    }
    match task.state() {
        TaskState::Failed => writeln!(out, "next        shim tasks retry {id}"),
        TaskState::AwaitingApproval => {
            if let Some(result) = &task.result {
                writeln!(out)?;
                print_result(result, out)?;
            }
            writeln!(out, "next        shim tasks approve {id}   (or --reject)")
        }
        TaskState::Completed => match &task.result {
            Some(result) => {
                writeln!(out)?;
                print_result(result, out)
            }
            None => writeln!(out, "next        shim tasks results {id}"),
        },
        _ => Ok(()),
    }
}

/// Prints the text of a result, or its data as JSON if it has no text.
pub(super) fn print_result(result: &TaskResult, out: &mut dyn Write) -> io::Result<()> {
    match (result.text.as_str(), &result.data) {
        ("", Some(data)) => json::write_pretty(out, &json::free_form(data)),
        ("", None) => Ok(()),
        (text, _) => {
            let mut page = Page::default();
            page.quote(text);
            block(out, page)
        }
    }
}
