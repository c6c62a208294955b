//! `shim files list`: the leases of a workspace.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::coordination::v1::{FileLease, ListFilesRequest};
use shim_render::text::{one_line, short_id};
use shim_render::words::file_lease_mode;

use super::client::{FilesClient, WorkspaceArgs};
use crate::config::Config;
use crate::connection::{call, request};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::table::{Align, Table};
use crate::output::time::ago;

const WIDTH: usize = 48;

/// What to list.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only leases that touch any of these paths or patterns
    paths: Vec<String>,
    #[command(flatten)]
    workspace: WorkspaceArgs,
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
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let mut client = FilesClient::connect(&args.workspace, config).await?;
    let list = ListFilesRequest {
        workspace: client.workspace(),
        paths: client.current.patterns(&args.paths)?,
        holder: args.holder.clone(),
        except_holder: String::new(),
    };
    let listed = call(client.service.locks.list_files(request(list))).await?;
    let workspace = client.workspace();
    emit(args.json, &listed, out, |out| {
        print(&listed.leases, &workspace, out)
    })
}

pub(super) fn print(leases: &[FileLease], workspace: &str, out: &mut dyn Write) -> io::Result<()> {
    if leases.is_empty() {
        return writeln!(out, "no files are leased in {workspace}");
    }
    table(leases).print(out)
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
            file_lease_mode(lease.mode()).to_owned(),
            one_line(&lease.holder, WIDTH),
            ago(lease.acquired_at.as_ref()),
            ago(lease.expires_at.as_ref()),
            one_line(&lease.patterns.join(" "), WIDTH),
            one_line(&lease.purpose, WIDTH),
        ]);
    }
    table
}
