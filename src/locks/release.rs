//! `shim locks release`: frees a lock in its owner's name. The owner's token is worth nothing afterwards.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::ReleaseLockRequest;

use super::show;
use crate::connection::{Coordination, request, request_id};
use crate::error::CliError;
use crate::output::json;
use crate::output::text::one_line;
use crate::output::time::ago;
use crate::workspace_args::NamespaceArgs;

/// Which lock.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The lock
    name: String,
    #[command(flatten)]
    pub(super) namespace_args: NamespaceArgs,
    /// Yes, take it from whoever holds it
    #[arg(long)]
    force: bool,
    /// Print canonical proto JSON (a ReleaseLockResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    namespace: String,
    mut service: Coordination,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let Some(lock) = show::find_lock(&mut service, &namespace, &args.name).await? else {
        return Err(CliError::new(format!(
            "nobody holds {} in {namespace}",
            one_line(&args.name, 512)
        ))
        .hint("`shim locks list` shows those that are held"));
    };
    let owner = one_line(&lock.owner, 200);
    if !args.force {
        return Err(CliError::new(format!(
            "{owner} holds {} and lets go {} by itself",
            one_line(&lock.name, 512),
            ago(lock.expires_at.as_ref())
        ))
        .hint("add --force to take it; what the owner writes with it is refused from then on"));
    }
    let release = ReleaseLockRequest {
        request_id: request_id(),
        namespace,
        name: lock.name,
        owner: lock.owner,
        fencing_token: lock.fencing_token,
    };
    let released = service
        .locks
        .release_lock(request(release))
        .await?
        .into_inner();
    if args.json {
        json::write_line(out, &released)?;
    } else if released.was_held {
        writeln!(out, "{} is free; {owner} held it", args.name)?;
    } else {
        writeln!(out, "{owner} let go of {} just now", args.name)?;
    }
    Ok(ExitCode::SUCCESS)
}
