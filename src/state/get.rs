//! `shim state get`: one entry. Its value alone goes to stdout, so that it can be piped.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::coordination::v1::GetStateRequest;

use super::StateClient;
use crate::connection::request;
use crate::error::CliError;
use crate::output::json;
use crate::output::text::one_line;
use crate::output::time::ago;
use crate::workspace_args::NamespaceArgs;

/// Which entry.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The entry
    key: String,
    #[command(flatten)]
    pub(super) namespace_args: NamespaceArgs,
    /// Print canonical proto JSON (a GetStateResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut client: StateClient,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let asked = GetStateRequest {
        namespace: client.namespace,
        key: args.key.clone(),
    };
    let response = client.service.state.get_state(request(asked)).await?;
    let response = response.into_inner();
    if args.json {
        json::write_line(out, &response)?;
        return Ok(ExitCode::SUCCESS);
    }
    let entry = response.entry.unwrap_or_default();
    let writer = match one_line(&entry.writer, 200) {
        name if name.is_empty() => "nobody named".to_owned(),
        name => name,
    };
    eprintln!(
        "version {}, written {} by {writer}, goes {}",
        entry.version,
        ago(entry.updated_at.as_ref()),
        ago(entry.expires_at.as_ref())
    );
    let value = json::free_form(&entry.value.unwrap_or_default());
    serde_json::to_writer_pretty(&mut *out, &value).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(ExitCode::SUCCESS)
}
