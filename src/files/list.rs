//! `shim files list`: the leases of a workspace.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::{FileLease, FileLeaseMode, ListFilesRequest};

use super::{FilesClient, WorkspaceArgs};
use crate::connection::request;
use crate::error::CliError;
use crate::output::json;
use crate::output::table::{Align, Table};
use crate::output::text::{one_line, short_id};
use crate::output::time::ago;

const WIDTH: usize = 48;

/// What to list.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only leases that touch any of these paths or patterns
    paths: Vec<String>,
    #[command(flatten)]
    pub(super) workspace: WorkspaceArgs,
    /// Only leases of this holder
    #[arg(
        long,
        value_name = "HOLDER",
        default_value = "",
        hide_default_value = true
    )]
    holder: String,
    /// Print canonical proto JSON (a ListFilesResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut client: FilesClient,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let list = ListFilesRequest {
        workspace: client.workspace(),
        paths: client.current.patterns(&args.paths)?,
        holder: args.holder.clone(),
        except_holder: String::new(),
    };
    let listed = client.service.locks.list_files(request(list)).await?;
    let listed = listed.into_inner();
    if args.json {
        json::write_line(out, &listed)?;
    } else if listed.leases.is_empty() {
        writeln!(out, "no files are leased in {}", client.workspace())?;
    } else {
        table(&listed.leases).print(out)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table(leases: &[FileLease]) -> Table {
    let mut table = Table::new(&[
        ("LEASE", Align::Left),
        ("MODE", Align::Left),
        ("HOLDER", Align::Left),
        ("ACQUIRED", Align::Left),
        ("GOES", Align::Left),
        ("PATTERNS", Align::Left),
        ("PURPOSE", Align::Left),
    ]);
    for lease in leases {
        table.row([
            short_id(&lease.lease_id).to_owned(),
            mode(lease).to_owned(),
            one_line(&lease.holder, WIDTH),
            ago(lease.acquired_at.as_ref()),
            ago(lease.expires_at.as_ref()),
            one_line(&lease.patterns.join(" "), WIDTH),
            one_line(&lease.purpose, WIDTH),
        ]);
    }
    table
}

fn mode(lease: &FileLease) -> &'static str {
    match lease.mode() {
        FileLeaseMode::Shared => "shared",
        FileLeaseMode::Exclusive | FileLeaseMode::Unspecified => "exclusive",
    }
}
