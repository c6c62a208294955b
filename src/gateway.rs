//! `shim gateway`: the MCP server for Claude, over stdio or Streamable HTTP.

use std::net::SocketAddr;
use std::process::ExitCode;

use shim_runtime::telemetry;

use crate::config::Config;
use crate::error::CliError;

/// How Claude connects.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Claude starts this command itself; `shim install claude-code` writes it into the client's configuration."
)]
pub(crate) struct Args {
    /// Serve Streamable HTTP at http://ADDR/mcp instead of stdio
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Serve /healthz, /readyz and /metrics at this address. Over stdio this flag alone counts, not `metrics_listen`: a client
    /// may start many gateways, and only one of them can have an address
    #[arg(long, value_name = "ADDR")]
    metrics_listen: Option<SocketAddr>,
}

/// Runs until the client closes stdin or a signal comes.
pub(crate) fn run(args: &Args, mut config: Config) -> Result<ExitCode, CliError> {
    let _telemetry = telemetry::init(&config.runtime, "shim-gateway");
    let configured = config.runtime.metrics_listen;
    config.runtime.metrics_listen = args
        .metrics_listen
        .or(configured.filter(|_| args.http.is_some()));
    let result = match args.http {
        Some(address) => shim_gateway::run_http(config.runtime, config.gateway, address),
        None => shim_gateway::run_stdio(config.runtime, config.gateway),
    };
    result.map_err(|e| CliError::new(e.to_string()))?;
    Ok(ExitCode::SUCCESS)
}
