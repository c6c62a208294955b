//! `shim state delete`: deletes an entry.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::DeleteStateRequest;
use shim_render::text::name;

use super::client::{StateClient, refusal};
use crate::config::Config;
use crate::connection::{call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::workspace_args::NamespaceArgs;

/// Which entry.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The entry
    key: String,
    #[command(flatten)]
    namespace_args: NamespaceArgs,
    /// Delete only this version
    #[arg(long, value_name = "VERSION")]
    expect: Option<u64>,
    /// Print canonical proto JSON (a DeleteStateResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let mut client = StateClient::connect(&args.namespace_args, config).await?;
    let delete = DeleteStateRequest {
        request_id: request_id(),
        namespace: client.namespace.clone(),
        key: args.key.clone(),
        expected_version: args.expect,
        fence: None,
    };
    let deleted = call(client.service.state.delete_state(request(delete))).await;
    let deleted = deleted.map_err(|status| refusal(status, &args.key, &args.namespace_args))?;
    emit(args.json, &deleted, out, |out| {
        if deleted.existed {
            writeln!(out, "{} is deleted", name(&args.key, 512))
        } else {
            writeln!(out, "there was no {} in {}", args.key, client.namespace)
        }
    })
}
