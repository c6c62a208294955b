//! `shim locks show`: a lock and its owner.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::coordination::v1::{GetLockRequest, GetLockResponse, Lock};

use crate::connection::{Coordination, call, request};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::fields::Fields;
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
    let found = GetLockResponse { lock };
    emit(args.json, &found, out, |out| match &found.lock {
        Some(lock) => print(lock, out),
        None => writeln!(out, "nobody holds {} in {namespace}", args.name),
    })?;
    Ok(match found.lock {
        Some(_) => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    })
}

/// The lock, if it is held.
pub(super) async fn find_lock(
    service: &mut Coordination,
    namespace: &str,
    name: &str,
) -> Result<Option<Lock>, CliError> {
    let asked = GetLockRequest {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    Ok(call(service.locks.get_lock(request(asked))).await?.lock)
}

pub(super) fn print(lock: &Lock, out: &mut dyn Write) -> io::Result<()> {
    let mut fields = Fields::new(10, out);
    fields.text("lock", &lock.name, 512)?;
    fields.line("namespace", &lock.namespace)?;
    fields.text("owner", &lock.owner, 200)?;
    fields.text("purpose", &lock.purpose, 500)?;
    fields.line("token", lock.fencing_token)?;
    fields.line("acquired", at(lock.acquired_at.as_ref()))?;
    fields.line("goes", at(lock.expires_at.as_ref()))
}
