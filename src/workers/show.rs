//! `shim workers show`: one worker with the tasks it has, and finding the one that was typed for other commands.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::coordination::v1::{GetWorkerRequest, GetWorkerResponse, Worker, WorkerState};
use uuid::Uuid;

use super::list::{WorkerFilter, health, list_all, load, state};
use super::work::{brief, running};
use crate::connection::{Coordination, request};
use crate::error::CliError;
use crate::id_prefix::{IdPrefix, Identified, pick};
use crate::output::json;
use crate::output::text::{one_line, short_id, variant};
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
    } else {
        print(&worker, out)?;
        let tasks = running(&mut service, &worker).await?;
        for task in &tasks {
            writeln!(
                out,
                "at work on    {}  {}",
                brief(task),
                one_line(&task.note, 200)
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The worker meant by a whole id, a beginning or an end of one; those that are gone, too.
///
/// # Errors
/// If none or more than one is meant.
pub(crate) async fn find(service: &mut Coordination, typed: &str) -> Result<Worker, CliError> {
    if Uuid::try_parse(typed).is_ok() {
        let asked = GetWorkerRequest {
            worker_id: typed.to_lowercase(),
        };
        let found = service.registry.get_worker(request(asked)).await?;
        return found
            .into_inner()
            .worker
            .ok_or_else(|| CliError::new("the service answered without a worker"));
    }
    let digits = IdPrefix::of(typed, Worker::NOUN)?;
    let filter = WorkerFilter {
        gone: true,
        ..WorkerFilter::default()
    };
    pick(list_all(service, &filter, usize::MAX).await?, &digits)
}

fn print(worker: &Worker, out: &mut dyn Write) -> io::Result<()> {
    let id = &worker.worker_id;
    writeln!(out, "worker        {id}  (short: {})", short_id(id))?;
    writeln!(out, "name          {}", one_line(&worker.name, 200))?;
    writeln!(
        out,
        "kind          {}",
        variant(worker.kind().as_str_name(), "WORKER_KIND")
    )?;
    writeln!(
        out,
        "state         {}, epoch {}",
        state(worker),
        worker.epoch
    )?;
    let reason = match worker.detail.as_str() {
        "" => String::new(),
        detail => format!(": {}", one_line(detail, 500)),
    };
    writeln!(out, "health        {}{reason}", health(worker))?;
    writeln!(out, "tasks         {}", load(worker))?;
    writeln!(
        out,
        "capabilities  {}",
        one_line(&worker.capabilities.join(" "), 10_000)
    )?;
    writeln!(out, "node          {}", one_line(&worker.node, 255))?;
    writeln!(out, "version       {}", one_line(&worker.version, 100))?;
    if !worker.session_id.is_empty() {
        writeln!(out, "session       {}", worker.session_id)?;
    }
    writeln!(out, "registered    {}", at(worker.registered_at.as_ref()))?;
    writeln!(
        out,
        "heard         {}",
        at(worker.last_heartbeat_at.as_ref())
    )?;
    let due = match worker.state() {
        WorkerState::Stopped | WorkerState::Dead => "gone",
        _ => "due",
    };
    writeln!(out, "{due:<13} {}", at(worker.due_at.as_ref()))
}
