//! `shim workers stop`: stops a worker now; its tasks go to others.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::worker::v1::StopWorkerRequest;

use super::find;
use crate::config::Config;
use crate::connection::{self, request, request_id};
use crate::error::CliError;
use crate::output::json;
use crate::output::text::short_id;

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
    let stopped = host.stop_worker(request(stop)).await?.into_inner();
    if args.json {
        json::write_line(out, &stopped)?;
    } else {
        writeln!(
            out,
            "worker {} stopped; its tasks go to others",
            short_id(&worker.worker_id)
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
