//! `shim state put`: writes an entry whole.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use shim_proto::coordination::v1::PutStateRequest;

use super::{Site, object};
use crate::caller::{self, Place};
use crate::connection::{request, request_id};
use crate::failure::Failure;
use crate::output::json;
use crate::output::time::{ago, on_the_wire};

/// What to write.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The entry
    key: String,
    /// A JSON object, or - to read it from stdin
    value: String,
    #[command(flatten)]
    pub(super) place: Place,
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
    mut site: Site,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let put = PutStateRequest {
        request_id: request_id(),
        namespace: site.namespace,
        key: args.key.clone(),
        value: Some(object(&args.value)?),
        expected_version: args.expect,
        ttl: args.ttl.map(on_the_wire).transpose()?,
        writer: caller::name(),
        fence: None,
    };
    let put = site.service.state.put_state(request(put)).await?;
    let put = put.into_inner();
    if args.json {
        json::write_line(out, &put)?;
    } else {
        let goes = ago(put.expires_at.as_ref());
        writeln!(out, "{} is version {}, goes {goes}", args.key, put.version)?;
    }
    Ok(ExitCode::SUCCESS)
}
