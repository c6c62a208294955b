//! `shim workers list`, and reading all pages of the list for other commands.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::{
    ListWorkersRequest, ListWorkersResponse, Worker, WorkerHealth, WorkerState,
};
use tonic::Status;

use super::work::at_work;
use crate::connection::{Coordination, request};
use crate::error::CliError;
use crate::output::json;
use crate::output::table::{Align, Table};
use crate::output::text::{one_line, short_id, variant};
use crate::output::time::ago;

const PAGE: i32 = 1_000;
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

/// Which workers are asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct WorkerFilter {
    /// Only with this capability; empty means any.
    pub(super) capability: String,
    /// With those that are gone.
    pub(super) gone: bool,
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
    if args.json {
        let listed = ListWorkersResponse {
            workers,
            ..ListWorkersResponse::default()
        };
        json::write_line(out, &listed)?;
    } else if workers.is_empty() {
        writeln!(out, "no workers")?;
    } else {
        let mut rows = Vec::with_capacity(workers.len());
        for worker in workers {
            let work = at_work(&mut service, &worker).await;
            rows.push((worker, work));
        }
        table(&rows).print(out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// All workers that pass the filter, up to `limit`, in the order of their ids.
///
/// # Errors
/// If the service fails.
pub(super) async fn list_all(
    service: &mut Coordination,
    filter: &WorkerFilter,
    limit: usize,
) -> Result<Vec<Worker>, CliError> {
    let mut workers = Vec::new();
    let mut page_token = String::new();
    while workers.len() < limit {
        let page = ListWorkersRequest {
            capability: filter.capability.clone(),
            include_gone: filter.gone,
            page_size: i32::try_from(limit - workers.len())
                .unwrap_or(PAGE)
                .min(PAGE),
            page_token,
            ..ListWorkersRequest::default()
        };
        let page = service
            .registry
            .list_workers(request(page))
            .await?
            .into_inner();
        workers.extend(page.workers);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(workers)
}

/// The first thousand workers that live, or why they are not known: what a status needs.
pub(crate) async fn page(service: &mut Coordination) -> Result<Vec<Worker>, Status> {
    let page = ListWorkersRequest {
        page_size: PAGE,
        ..ListWorkersRequest::default()
    };
    let listed = service.registry.list_workers(request(page)).await?;
    Ok(listed.into_inner().workers)
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
            variant(worker.kind().as_str_name(), "WORKER_KIND"),
            state(worker),
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

/// Where a worker is in its life.
pub(super) fn state(worker: &Worker) -> String {
    variant(worker.state().as_str_name(), "WORKER_STATE")
}

/// How well it is, if it is there.
pub(super) fn health(worker: &Worker) -> String {
    match (worker.state(), worker.health()) {
        (WorkerState::Stopped | WorkerState::Dead, _) => "-".to_owned(),
        (_, WorkerHealth::Unspecified) => "healthy".to_owned(),
        (_, health) => variant(health.as_str_name(), "WORKER_HEALTH"),
    }
}

/// How much of its room is taken.
pub(super) fn load(worker: &Worker) -> String {
    format!("{}/{}", worker.running, worker.capacity)
}
