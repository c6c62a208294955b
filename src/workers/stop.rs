//! `shim workers stop`: stops a worker now; its tasks go to others.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::worker::v1::StopWorkerRequest;
use shim_render::text::short_id;

use super::find::find;
use crate::config::Config;
use crate::connection::{self, call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;

/// Which worker.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The worker
    worker: String,
    /// Print canonical proto JSON (a StopWorkerResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let worker = find(&mut connection::coordination(config).await?, &args.worker).await?;
    let stop = StopWorkerRequest {
        request_id: request_id(),
        worker_id: worker.worker_id.clone(),
    };
    let mut host = connection::worker_host(config).await?;
    let stopped = call(host.stop_worker(request(stop))).await?;
    emit(args.json, &stopped, out, |out| {
        writeln!(
            out,
            "worker {} stopped; its tasks go to others",
            short_id(&worker.worker_id)
        )
    })
}
