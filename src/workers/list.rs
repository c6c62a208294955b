//! `shim workers list`: the workers, each with what it does.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::coordination::v1::{ListWorkersResponse, Worker};
use shim_render::text::{one_line, short_id};
use shim_render::words::worker_kind;

use super::labels::{health, load, print_troubles, state};
use super::pages::{WorkerFilter, list_all};
use super::work::at_work;
use crate::connection::Coordination;
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::table::{Align, Table};
use crate::output::time::ago;

const NAME_WIDTH: usize = 32;
const LIST_WIDTH: usize = 60;

/// What to list.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only workers with this capability
    #[arg(long, value_name = "CAPABILITY")]
    capability: Option<String>,
    /// With those that stopped or died within the last hour
    #[arg(long)]
    all: bool,
    /// How many at most
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    limit: usize,
    /// Print canonical proto JSON (a ListWorkersResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: Args,
    mut service: Coordination,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let filter = WorkerFilter {
        capability: args.capability.unwrap_or_default(),
        gone: args.all,
    };
    let workers = list_all(&mut service, &filter, args.limit).await?;
    let mut rows = Vec::with_capacity(workers.len());
    for worker in workers.iter().filter(|_| !args.json) {
        rows.push((worker.clone(), at_work(&mut service, worker).await));
    }
    let listed = ListWorkersResponse {
        workers,
        ..ListWorkersResponse::default()
    };
    emit(args.json, &listed, out, |out| print(&rows, out))
}

/// Prints workers, each with what it does.
pub(super) fn print(workers: &[(Worker, String)], out: &mut dyn Write) -> io::Result<()> {
    if workers.is_empty() {
        return writeln!(out, "no workers");
    }
    table(workers).print(out)?;
    print_troubles(workers.iter().map(|(worker, _)| worker), out)
}

/// Workers as a table, each with what it does.
pub(super) fn table(workers: &[(Worker, String)]) -> Table {
    let mut table = Table::new(&[
        ("WORKER", Align::Left),
        ("NAME", Align::Left),
        ("KIND", Align::Left),
        ("STATE", Align::Left),
        ("HEALTH", Align::Left),
        ("TASKS", Align::Right),
        ("HEARD", Align::Left),
        ("NODE", Align::Left),
        ("CAPABILITIES", Align::Left),
        ("AT WORK ON", Align::Left),
    ]);
    for (worker, work) in workers {
        table.row([
            short_id(&worker.worker_id).to_owned(),
            one_line(&worker.name, NAME_WIDTH),
            worker_kind(worker.kind()).to_owned(),
            state(worker).to_owned(),
            health(worker),
            load(worker),
            ago(worker.last_heartbeat_at.as_ref()),
            one_line(&worker.node, NAME_WIDTH),
            one_line(&worker.capabilities.join(" "), LIST_WIDTH),
            one_line(work, LIST_WIDTH),
        ]);
    }
    table
}
