//! `shim files release`: gives leases back.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::{FileLease, ListFilesRequest, ReleaseFilesRequest};

use super::{Holder, Site, Workspace};
use crate::connection::{request, request_id};
use crate::failure::Failure;
use crate::naming::{Digits, Identified, pick};
use crate::output::json;
use crate::output::text::count;

/// What to give back.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The leases [default: all of the holder's]
    #[arg(value_name = "LEASE_ID")]
    leases: Vec<String>,
    #[command(flatten)]
    holder: Holder,
    #[command(flatten)]
    pub(super) workspace: Workspace,
    /// Print canonical proto JSON (a ReleaseFilesResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut site: Site,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let release = ReleaseFilesRequest {
        request_id: request_id(),
        workspace: site.workspace(),
        holder: args.holder.holder.clone(),
        lease_ids: whole_ids(args, &mut site).await?,
    };
    let released = site.service.locks.release_files(request(release)).await?;
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
async fn whole_ids(args: &Args, site: &mut Site) -> Result<Vec<String>, Failure> {
    if args.leases.is_empty() {
        return Ok(Vec::new());
    }
    let held = ListFilesRequest {
        workspace: site.workspace(),
        holder: args.holder.holder.clone(),
        ..ListFilesRequest::default()
    };
    let held = site.service.locks.list_files(request(held)).await?;
    let held = held.into_inner().leases;
    args.leases
        .iter()
        .map(|typed| {
            let digits = Digits::of(typed, FileLease::NOUN)?;
            Ok(pick(held.clone(), &digits)?.lease_id)
        })
        .collect()
}
