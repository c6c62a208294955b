//! `shim state patch`: sets and removes single fields of an entry and leaves the others as they are.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use shim_proto::coordination::v1::PatchStateRequest;
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

/// What to change.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The entry
    key: String,
    /// A JSON object with the fields to set, or - to read it from stdin
    #[arg(required_unless_present = "remove")]
    set: Option<String>,
    /// A field to remove; may be repeated
    #[arg(long, value_name = "FIELD")]
    remove: Vec<String>,
    #[command(flatten)]
    namespace_args: NamespaceArgs,
    /// Change only this version
    #[arg(long, value_name = "VERSION")]
    expect: Option<u64>,
    /// Make the entry if there is none
    #[arg(long)]
    create: bool,
    /// How long it is kept from now, 1s to 30d [default: as long as before]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    ttl: Option<Duration>,
    /// Print canonical proto JSON (a PatchStateResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let mut client = StateClient::connect(&args.namespace_args, config).await?;
    let patch = PatchStateRequest {
        request_id: request_id(),
        namespace: client.namespace,
        key: args.key.clone(),
        set: {
            let set = args
                .set
                .as_deref()
                .map(|set| parse_object("--set", set, MAX_ENTRY_BYTES));
            set.transpose()?
        },
        remove: args.remove.clone(),
        expected_version: args.expect,
        create_if_missing: args.create,
        ttl: args.ttl.map(proto_duration).transpose()?,
        writer: workspace_args::user_at_host(),
        fence: None,
    };
    let patched = call(client.service.state.patch_state(request(patch))).await;
    let patched = patched.map_err(|status| refusal(status, &args.key, &args.namespace_args))?;
    emit(args.json, &patched, out, |out| {
        let goes = ago(patched.expires_at.as_ref());
        let version = patched.version;
        let key = name(&args.key, 512);
        writeln!(out, "{key} is version {version}, goes {goes}")
    })
}
