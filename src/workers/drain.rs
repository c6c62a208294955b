//! `shim workers drain`: lets a worker finish what it has and take nothing new.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use shim_proto::worker::v1::DrainWorkerRequest;
use shim_render::text::short_id;

use super::find::find;
use super::labels::{load, state};
use crate::config::Config;
use crate::connection::{self, call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::time::proto_duration;

/// Which worker.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The worker
    worker: String,
    /// How long it may take, up to 12h; then its tasks go to others [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    deadline: Option<Duration>,
    /// Print canonical proto JSON (a DrainWorkerResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let worker = find(&mut connection::coordination(config).await?, &args.worker).await?;
    let drain = DrainWorkerRequest {
        request_id: request_id(),
        worker_id: worker.worker_id.clone(),
        deadline: args.deadline.map(proto_duration).transpose()?,
    };
    let mut host = connection::worker_host(config).await?;
    let drained = call(host.drain_worker(request(drain))).await?;
    emit(args.json, &drained, out, |out| {
        let id = short_id(&worker.worker_id);
        let now = drained.worker.as_ref().unwrap_or(&worker);
        writeln!(
            out,
            "worker {id} takes nothing new: {}, tasks {}",
            state(now),
            load(now)
        )
    })
}
