//! `shim sessions prune`: drops old checkpoint contents; with `--delete-ended`, old ended sessions, too.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use shim_proto::checkpoint::v1::PruneRequest;
use shim_proto::limits::checkpoint::MAX_KEEP;
use shim_render::figures::{bytes, count};

use super::find;
use crate::connection::{Checkpoints, call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::time::proto_duration;

/// What to drop.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Drop contents older than this
    #[arg(long, default_value = "30d", value_name = "DURATION", value_parser = humantime::parse_duration)]
    older_than: Duration,
    /// Keep at least so many newest checkpoints of each session
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_KEEP)))]
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
    let prune = PruneRequest {
        request_id: request_id(),
        session_id,
        older_than: Some(proto_duration(args.older_than)?),
        keep_last: args.keep_last,
        delete_ended_sessions: args.delete_ended,
        dry_run: args.dry_run,
    };
    let pruned = call(service.prune(request(prune))).await?;
    emit(args.json, &pruned, out, |out| {
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
        )
    })
}
