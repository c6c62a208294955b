//! `shim sessions prune`: drops old checkpoint contents and, if told, ended sessions.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use shim_proto::checkpoint::v1::PruneRequest;

use super::find;
use crate::connection::{Checkpoints, request, request_id};
use crate::error::CliError;
use crate::output::json;
use crate::output::text::{bytes, count};

/// What to drop.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Drop contents older than this
    #[arg(long, default_value = "30d", value_name = "DURATION", value_parser = humantime::parse_duration)]
    older_than: Duration,
    /// Keep at least so many newest checkpoints of each session
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    keep_last: u32,
    /// Only this session
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
    /// Delete ended and dismissed sessions older than that altogether
    #[arg(long)]
    delete_ended: bool,
    /// Only count
    #[arg(long)]
    dry_run: bool,
    /// Print canonical proto JSON (a PruneResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Checkpoints,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let session_id = match &args.session {
        Some(typed) => find::session(&mut service, typed).await?.id,
        None => String::new(),
    };
    let older_than = prost_types::Duration::try_from(args.older_than);
    let prune = PruneRequest {
        request_id: request_id(),
        session_id,
        older_than: Some(older_than.map_err(|_| CliError::new("--older-than is too long a span"))?),
        keep_last: args.keep_last,
        delete_ended_sessions: args.delete_ended,
        dry_run: args.dry_run,
    };
    let pruned = service.prune(request(prune)).await?.into_inner();
    if args.json {
        json::write_line(out, &pruned)?;
    } else {
        writeln!(
            out,
            "{} the contents of {} ({}) and {}",
            if args.dry_run {
                "would drop"
            } else {
                "dropped"
            },
            count(pruned.thinned_checkpoints, "checkpoint"),
            bytes(pruned.freed_bytes),
            count(pruned.deleted_sessions, "session"),
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
