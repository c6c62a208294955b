//! `shim gateway`: the MCP server for Claude, over stdio or Streamable HTTP.

use std::net::SocketAddr;
use std::process::ExitCode;

use shim_runtime::telemetry;

use crate::config::Config;
use crate::failure::Failure;

/// How Claude connects.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Claude starts this command itself; `shim install` writes it into the client's configuration."
)]
pub(crate) struct Args {
    /// Serve Streamable HTTP at http://ADDR/mcp instead of stdio
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
}

/// Runs until the client closes stdin or a signal comes.
pub(crate) fn run(args: &Args, config: Config) -> Result<ExitCode, Failure> {
    let _telemetry = telemetry::init(&config.runtime, "shim-gateway");
    let result = match args.http {
        Some(address) => shim_gateway::run_http(config.runtime, config.gateway, address),
        None => shim_gateway::run_stdio(config.runtime, config.gateway),
    };
    result.map_err(|e| Failure::new(e.to_string()))?;
    Ok(ExitCode::SUCCESS)
}
