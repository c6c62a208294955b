//! `shim files release`: gives leases back.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::{FileLease, ListFilesRequest, ReleaseFilesRequest};

use super::{FilesClient, HolderArgs, WorkspaceArgs};
use crate::connection::{request, request_id};
use crate::error::CliError;
use crate::id_prefix::{IdPrefix, Identified, pick};
use crate::output::json;
use crate::output::text::count;

/// What to give back.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The leases [default: all of the holder's]
    #[arg(value_name = "LEASE_ID")]
    leases: Vec<String>,
    #[command(flatten)]
    holder: HolderArgs,
    #[command(flatten)]
    pub(super) workspace: WorkspaceArgs,
    /// Print canonical proto JSON (a ReleaseFilesResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut client: FilesClient,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let release = ReleaseFilesRequest {
        request_id: request_id(),
        workspace: client.workspace(),
        holder: args.holder.holder.clone(),
        lease_ids: whole_ids(args, &mut client).await?,
    };
    let released = client.service.locks.release_files(request(release)).await?;
    let released = released.into_inner();
    if args.json {
        json::write_line(out, &released)?;
    } else {
        let number = count(u64::from(released.released), "lease");
        writeln!(out, "{number} given back")?;
    }
    Ok(ExitCode::SUCCESS)
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
    let listed = client.service.locks.list_files(request(listed)).await?;
    let listed = listed.into_inner().leases;
    args.leases
        .iter()
        .map(|typed| {
            let digits = IdPrefix::of(typed, FileLease::NOUN)?;
            Ok(pick(listed.clone(), &digits)?.lease_id)
        })
        .collect()
}
