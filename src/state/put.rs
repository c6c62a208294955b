//! `shim state put`: writes an entry whole.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use shim_proto::coordination::v1::PutStateRequest;
use shim_proto::limits::coordination::MAX_ENTRY_BYTES;
use shim_render::text::name;

use super::client::{StateClient, refusal};
use crate::config::Config;
use crate::connection::{call, request, request_id};
use crate::error::CliError;
use crate::json_object::parse_object;
use crate::output::emit::emit;
use crate::output::time::{ago, proto_duration};
use crate::workspace_args::{self, NamespaceArgs};

/// What to write.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The entry
    key: String,
    /// A JSON object, or - to read it from stdin
    value: String,
    #[command(flatten)]
    namespace_args: NamespaceArgs,
    /// Write only over this version; 0 only if there is no entry yet
    #[arg(long, value_name = "VERSION")]
    expect: Option<u64>,
    /// How long it is kept, 1s to 30d [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    ttl: Option<Duration>,
    /// Print canonical proto JSON (a PutStateResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let mut client = StateClient::connect(&args.namespace_args, config).await?;
    let put = PutStateRequest {
        request_id: request_id(),
        namespace: client.namespace,
        key: args.key.clone(),
        value: Some(parse_object("value", &args.value, MAX_ENTRY_BYTES)?),
        expected_version: args.expect,
        ttl: args.ttl.map(proto_duration).transpose()?,
        writer: workspace_args::user_at_host(),
        fence: None,
    };
    let put = call(client.service.state.put_state(request(put))).await;
    let put = put.map_err(|status| refusal(status, &args.key, &args.namespace_args))?;
    emit(args.json, &put, out, |out| {
        let goes = ago(put.expires_at.as_ref());
        let key = name(&args.key, 512);
        writeln!(out, "{key} is version {}, goes {goes}", put.version)
    })
}
