//! `shim files acquire`: leases files by patterns, all or none.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use shim_proto::coordination::v1::{AcquireFilesRequest, AcquireFilesResponse, FileLeaseMode};
use shim_render::text::short_id;

use super::client::{FilesClient, HolderArgs, WorkspaceArgs};
use crate::config::Config;
use crate::connection::{call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::time::{ago, proto_duration};

/// What to lease.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Paths or patterns
    #[arg(required = true)]
    patterns: Vec<String>,
    #[command(flatten)]
    holder: HolderArgs,
    #[command(flatten)]
    workspace: WorkspaceArgs,
    /// Only to read: others may have shared leases on the same files
    #[arg(long)]
    shared: bool,
    /// How long, 1s to 24h [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    ttl: Option<Duration>,
    /// What for, shown to others in conflicts
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    purpose: String,
    /// How long to wait for the files, up to 25s
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    wait: Option<Duration>,
    /// Print canonical proto JSON (an AcquireFilesResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let mut client = FilesClient::connect(&args.workspace, config).await?;
    let mode = if args.shared {
        FileLeaseMode::Shared
    } else {
        FileLeaseMode::Exclusive
    };
    let patterns = client.current.patterns(&args.patterns)?;
    let acquire = AcquireFilesRequest {
        request_id: request_id(),
        workspace: client.workspace(),
        holder: args.holder.holder.clone(),
        purpose: args.purpose.clone(),
        patterns: patterns.clone(),
        mode: mode.into(),
        ttl: args.ttl.map(proto_duration).transpose()?,
        wait: args.wait.map(proto_duration).transpose()?,
        fence: None,
    };
    let acquired = call(client.service.locks.acquire_files(request(acquire))).await;
    let acquired = acquired.map_err(|status| args.workspace.named_in(status))?;
    emit(args.json, &acquired, out, |out| print(&acquired, out))?;
    let current = &client.current;
    current.tell_unmatched(&patterns, args.json, out)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn print(acquired: &AcquireFilesResponse, out: &mut dyn Write) -> io::Result<()> {
    let Some(lease) = &acquired.lease else {
        return Ok(());
    };
    let (id, patterns) = (short_id(&lease.lease_id), lease.patterns.join(" "));
    let goes = ago(lease.expires_at.as_ref());
    writeln!(out, "lease {id} on {patterns}, goes {goes}")
}
