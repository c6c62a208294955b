//! `shim locks release`: frees a lock in its owner's name. Writes with the owner's fencing token are refused afterwards.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::{Lock, ReleaseLockRequest};
use shim_render::text::{one_line, title};

use super::show;
use crate::connection::{Coordination, call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::time::ago;
use crate::remedies::{Placeholder, shell_word};
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
        let name = one_line(&args.name, 512);
        return Err(
            CliError::new(format!("nobody holds {name} in {namespace}")).hint(format!(
                "`shim locks list{}` shows those that are held",
                args.namespace_args.flag()
            )),
        );
    };
    if !args.force {
        return Err(held(&lock, &args.namespace_args.flag()));
    }
    let (owner, lock_name) = (title(&lock.owner, 200), title(&lock.name, 512));
    let release = ReleaseLockRequest {
        request_id: request_id(),
        namespace,
        name: lock.name,
        owner: lock.owner,
        fencing_token: lock.fencing_token,
    };
    let released = call(service.locks.release_lock(request(release))).await;
    let released = released.map_err(|status| {
        CliError::from(status).about(Placeholder::Namespace, args.namespace_args.flag())
    })?;
    emit(args.json, &released, out, |out| {
        if released.was_held {
            writeln!(out, "{lock_name} is free; {owner} held it")
        } else {
            writeln!(out, "{owner} let go of {lock_name} just now")
        }
    })
}

/// Why a lock is not taken without `--force`.
pub(super) fn held(lock: &Lock, namespace_flag: &str) -> CliError {
    CliError::new(format!(
        "{} holds {} and lets go {} by itself",
        one_line(&lock.owner, 200),
        one_line(&lock.name, 512),
        ago(lock.expires_at.as_ref())
    ))
    .hint(format!(
        "add --force to take it: `shim locks release {}{namespace_flag} --force`; what the owner writes with it is refused \
         from then on",
        shell_word(&lock.name)
    ))
}
