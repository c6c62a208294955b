//! `shim workers show`: one worker with the tasks it has.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::coordination::v1::{GetWorkerResponse, Task, Worker, WorkerState};
use shim_render::text::{one_line, short_id};
use shim_render::words::worker_kind;

use super::find::find;
use super::labels::{health, load, state};
use super::work::{brief, running};
use crate::connection::Coordination;
use crate::error::CliError;
use crate::output::fields::Fields;
use crate::output::json;
use crate::output::time::at;

/// Which worker.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The worker
    worker: String,
    /// Print canonical proto JSON (a GetWorkerResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Coordination,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let worker = find(&mut service, &args.worker).await?;
    if args.json {
        let worker = Some(worker);
        json::write_line(out, &GetWorkerResponse { worker })?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&worker, out)?;
    let tasks = running(&mut service, &worker).await?;
    print_tasks(&tasks, out)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn print(worker: &Worker, out: &mut dyn Write) -> io::Result<()> {
    let mut fields = Fields::new(13, out);
    let id = &worker.worker_id;
    fields.line("worker", format_args!("{id}  (short: {})", short_id(id)))?;
    fields.text("name", &worker.name, 200)?;
    fields.line("kind", worker_kind(worker.kind()))?;
    fields.line(
        "state",
        format_args!("{}, epoch {}", state(worker), worker.epoch),
    )?;
    let reason = match worker.detail.as_str() {
        "" => String::new(),
        detail => format!(": {}", one_line(detail, 500)),
    };
    fields.line("health", format_args!("{}{reason}", health(worker)))?;
    fields.line("tasks", load(worker))?;
    fields.text("capabilities", &worker.capabilities.join(" "), 10_000)?;
    fields.text("node", &worker.node, 255)?;
    fields.text("version", &worker.version, 100)?;
    fields.optional("session", &worker.session_id, 100)?;
    fields.line("registered", at(worker.registered_at.as_ref()))?;
    fields.line("heard", at(worker.last_heartbeat_at.as_ref()))?;
    let due = match worker.state() {
        WorkerState::Stopped | WorkerState::Dead => "gone",
        _ => "due",
    };
    fields.line(due, at(worker.due_at.as_ref()))
}

/// The tasks that a worker has, a line for each.
pub(super) fn print_tasks(tasks: &[Task], out: &mut dyn Write) -> io::Result<()> {
    let mut fields = Fields::new(13, out);
    for task in tasks {
        let note = one_line(&task.note, 200);
        fields.line("at work on", format_args!("{}  {note}", brief(task)))?;
    }
    Ok(())
}
