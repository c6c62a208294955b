//! `shim state get`: one entry. Its value alone goes to stdout, so that it can be piped.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::coordination::v1::{GetStateRequest, StateEntry};
use shim_render::text::one_line;

use super::client::{StateClient, refusal};
use crate::config::Config;
use crate::connection::{call, request};
use crate::error::CliError;
use crate::output::json;
use crate::output::say;
use crate::output::time::ago;
use crate::workspace_args::NamespaceArgs;

/// Which entry.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The entry
    key: String,
    #[command(flatten)]
    namespace_args: NamespaceArgs,
    /// Print canonical proto JSON (a GetStateResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let mut client = StateClient::connect(&args.namespace_args, config).await?;
    let asked = GetStateRequest {
        namespace: client.namespace,
        key: args.key.clone(),
    };
    let response = call(client.service.state.get_state(request(asked))).await;
    let response = response.map_err(|status| refusal(status, &args.key, &args.namespace_args))?;
    if args.json {
        json::write_line(out, &response)?;
        return Ok(ExitCode::SUCCESS);
    }
    let entry = response.entry.unwrap_or_default();
    say::line(format_args!("{}", about(&entry)));
    print(&entry, out)?;
    Ok(ExitCode::SUCCESS)
}

/// What stderr says of an entry.
pub(super) fn about(entry: &StateEntry) -> String {
    let writer = match one_line(&entry.writer, 200) {
        name if name.is_empty() => "nobody named".to_owned(),
        name => name,
    };
    let (written, goes) = (
        ago(entry.updated_at.as_ref()),
        ago(entry.expires_at.as_ref()),
    );
    format!(
        "version {}, written {written} by {writer}, goes {goes}",
        entry.version
    )
}

pub(super) fn print(entry: &StateEntry, out: &mut dyn Write) -> io::Result<()> {
    let value = entry.value.as_ref().map(json::free_form);
    let value = value.unwrap_or_else(|| serde_json::json!({}));
    json::write_pretty(out, &value)
}
