//! `shim locks show`: who holds a lock.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::{GetLockRequest, GetLockResponse, Lock};

use crate::connection::{Coordination, request};
use crate::error::CliError;
use crate::output::json;
use crate::output::text::one_line;
use crate::output::time::at;
use crate::workspace_args::NamespaceArgs;

/// Which lock.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code: 0 if it is held, 1 if nobody holds it.")]
pub(crate) struct Args {
    /// The lock
    name: String,
    #[command(flatten)]
    pub(super) namespace_args: NamespaceArgs,
    /// Print canonical proto JSON (a GetLockResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    namespace: String,
    mut service: Coordination,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let lock = find_lock(&mut service, &namespace, &args.name).await?;
    let exit = if lock.is_some() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    if args.json {
        json::write_line(out, &GetLockResponse { lock })?;
    } else if let Some(lock) = &lock {
        print(lock, out)?;
    } else {
        writeln!(out, "nobody holds {} in {namespace}", args.name)?;
    }
    Ok(exit)
}

/// The lock, if somebody holds it.
pub(super) async fn find_lock(
    service: &mut Coordination,
    namespace: &str,
    name: &str,
) -> Result<Option<Lock>, CliError> {
    let asked = GetLockRequest {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    let response = service.locks.get_lock(request(asked)).await?;
    Ok(response.into_inner().lock)
}

fn print(lock: &Lock, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "lock       {}", one_line(&lock.name, 512))?;
    writeln!(out, "namespace  {}", lock.namespace)?;
    writeln!(out, "owner      {}", one_line(&lock.owner, 200))?;
    writeln!(out, "purpose    {}", one_line(&lock.purpose, 500))?;
    writeln!(out, "token      {}", lock.fencing_token)?;
    writeln!(out, "acquired   {}", at(lock.acquired_at.as_ref()))?;
    writeln!(out, "goes       {}", at(lock.expires_at.as_ref()))
}
