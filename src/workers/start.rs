//! `shim workers start`: starts a worker with an executor from the configuration of the worker service.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::worker::v1::StartWorkerRequest;
use shim_render::text::{one_line, short_id};

use super::labels::{load, state};
use crate::connection::{WorkerHost, call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;

/// Which executor.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Executors are configured where the worker service runs, as worker.executors.NAME; `shim doctor` lists them."
)]
pub(crate) struct Args {
    /// The executor's name in the configuration
    executor: String,
    /// A name for people [default: the executor's]
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    name: String,
    /// What it can do beyond what the configuration says; may be given again
    #[arg(long, value_name = "CAPABILITY")]
    capability: Vec<String>,
    /// How many tasks at once, 1 to 64 [default: as configured]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    capacity: Option<u32>,
    /// Print canonical proto JSON (a StartWorkerResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: Args,
    mut host: WorkerHost,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let start = StartWorkerRequest {
        request_id: request_id(),
        executor: args.executor,
        name: args.name,
        capabilities: args.capability,
        capacity: args.capacity.unwrap_or_default(),
    };
    let started = call(host.start_worker(request(start))).await?;
    emit(args.json, &started, out, |out| {
        let worker = started.worker.clone().unwrap_or_default();
        writeln!(
            out,
            "worker {} ({}) started: {}, tasks {}",
            short_id(&worker.worker_id),
            one_line(&worker.name, 200),
            state(&worker),
            load(&worker)
        )
    })
}
