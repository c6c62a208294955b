//! `shim files release`: gives leases back.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::{FileLease, ListFilesRequest, ReleaseFilesRequest};
use shim_render::figures::count;

use super::client::{FilesClient, HolderArgs, WorkspaceArgs};
use crate::config::Config;
use crate::connection::{call, request, request_id};
use crate::error::CliError;
use crate::id_prefix::{part_of_id, pick};
use crate::output::emit::emit;

/// What to give back.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The leases [default: all of the holder's]
    #[arg(value_name = "LEASE_ID")]
    leases: Vec<String>,
    #[command(flatten)]
    holder: HolderArgs,
    #[command(flatten)]
    workspace: WorkspaceArgs,
    /// Print canonical proto JSON (a ReleaseFilesResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let mut client = FilesClient::connect(&args.workspace, config).await?;
    let release = ReleaseFilesRequest {
        request_id: request_id(),
        workspace: client.workspace(),
        holder: args.holder.holder.clone(),
        lease_ids: whole_ids(args, &mut client)
            .await
            .map_err(|failure| args.workspace.named_in(failure))?,
    };
    let released = call(client.service.locks.release_files(request(release))).await?;
    emit(args.json, &released, out, |out| {
        let number = count(u64::from(released.released), "lease");
        writeln!(out, "{number} given back")
    })
}

/// The ids meant, which may be typed as the table shows them.
async fn whole_ids(args: &Args, client: &mut FilesClient) -> Result<Vec<String>, CliError> {
    if args.leases.is_empty() {
        return Ok(Vec::new());
    }
    let listed = ListFilesRequest {
        workspace: client.workspace(),
        holder: args.holder.holder.clone(),
        ..ListFilesRequest::default()
    };
    let listed = call(client.service.locks.list_files(request(listed)))
        .await?
        .leases;
    args.leases
        .iter()
        .map(|typed| {
            let digits = part_of_id::<FileLease>(typed)?;
            Ok(pick(listed.clone(), &digits)?.lease_id)
        })
        .collect()
}
