//! `shim state clear`: deletes the entries of a namespace, all of them or those whose keys begin alike.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::{DeleteStateRequest, StateEntry};

use super::client::{KeyArgs, StateClient, refusal};
use crate::config::Config;
use crate::connection::{call, request, request_id};
use crate::error::CliError;
use crate::remedies::shell_word;
use crate::workspace_args::NamespaceArgs;

/// Which entries.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    namespace_args: NamespaceArgs,
    #[command(flatten)]
    keys: KeyArgs,
    /// Yes, delete them
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let mut client = StateClient::connect(&args.namespace_args, config).await?;
    let entries = client.entries(&args.keys, usize::MAX).await?;
    let found = match entries.len() as u64 {
        1 => "1 entry".to_owned(),
        number => format!("{number} entries"),
    };
    if entries.is_empty() {
        writeln!(out, "no state in {}", client.namespace)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !args.force {
        return Err(unforced(args, &client.namespace, &found));
    }
    let deleted = delete(&mut client, &entries, args).await?;
    writeln!(
        out,
        "{} of {} are deleted in {}",
        deleted, found, client.namespace
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Says what would be deleted, and how.
fn unforced(args: &Args, namespace: &str, found: &str) -> CliError {
    let flag = args.namespace_args.flag();
    let prefix = match args.keys.prefix.as_str() {
        "" => String::new(),
        prefix => format!(" --prefix {}", shell_word(prefix)),
    };
    let hint = format!("add --force to delete them: `shim state clear{prefix}{flag} --force`");
    CliError::new(format!("{namespace} holds {found}")).hint(hint)
}

/// Deletes the entries, whatever their versions are now; returns how many were still there.
async fn delete(
    client: &mut StateClient,
    entries: &[StateEntry],
    args: &Args,
) -> Result<u64, CliError> {
    let mut deleted = 0;
    for StateEntry { key, .. } in entries {
        let delete = DeleteStateRequest {
            request_id: request_id(),
            namespace: client.namespace.clone(),
            key: key.clone(),
            ..DeleteStateRequest::default()
        };
        let answer = call(client.service.state.delete_state(request(delete))).await;
        let answer = answer.map_err(|status| refusal(status, key, &args.namespace_args))?;
        deleted += u64::from(answer.existed);
    }
    Ok(deleted)
}
