//! `shim healthcheck`: asks a server once whether it serves, for container engines.
//!
//! The answer is one line and an exit code. Nothing is started, and no token is needed: health is open to all.

use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use shim_runtime::auth::Credentials;
use shim_runtime::client::{self, Endpoint};
use shim_runtime::service_error::explanation;
use shim_runtime::stack::StackState;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::config::Config;
use crate::error::CliError;

/// Shorter than the timeout of container engines, so that their log shows the reason.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);
/// A probe's answer is a few lines.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// The server, and the service of it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The server to ask [default: the address of `listen`, else the local stack]
    #[arg(long, value_name = "URL")]
    endpoint: Option<Endpoint>,
    /// One gRPC service of it [default: the process as a whole]
    #[arg(long, value_name = "NAME", default_value = "")]
    service: String,
    /// Ask /readyz at `metrics_listen` instead: whether all it serves can be served
    #[arg(long, conflicts_with_all = ["endpoint", "service"])]
    ready: bool,
}

const EXAMPLES: &str = "\
Examples:
  shim healthcheck                                              is the local stack up?
  shim healthcheck --service shim.coordination.v1.TaskService   and does it reach its Redis?
  shim healthcheck --endpoint http://127.0.0.1:50051            a service of its own";

/// Asks, and prints one line. A server that does not serve is a failure, too.
pub(crate) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let asked = async {
        if args.ready {
            readiness(config).await
        } else {
            health(args, config).await
        }
    };
    let report = tokio::time::timeout(ANSWER_WITHIN, asked)
        .await
        .map_err(|_| CliError::new(format!("no answer within {ANSWER_WITHIN:?}")))??;
    writeln!(out, "{report}")?;
    Ok(ExitCode::SUCCESS)
}

/// Asks grpc.health.v1.
async fn health(args: &Args, config: &Config) -> Result<String, CliError> {
    let endpoint = match &args.endpoint {
        Some(endpoint) => endpoint.clone(),
        None => own_endpoint(config)?,
    };
    let name = match args.service.as_str() {
        "" => "the process",
        service => service,
    };
    let certificates = Credentials::certificates(&config.runtime.tls)?;
    let channel = client::connect(&endpoint, Some(&certificates))?;
    let asked = HealthCheckRequest {
        service: args.service.clone(),
    };
    let answer = HealthClient::new(channel)
        .check(asked)
        .await
        .map_err(|status| {
            CliError::new(format!("{name} at {endpoint}: {}", explanation(&status)))
        })?;
    match answer.into_inner().status() {
        ServingStatus::Serving => Ok(format!("{name} at {endpoint} is serving")),
        _ => Err(CliError::new(format!(
            "{name} at {endpoint} is not serving"
        ))),
    }
}

/// Where the server of this configuration listens: at `listen`, else it is the local stack.
fn own_endpoint(config: &Config) -> Result<Endpoint, CliError> {
    if let Some(address) = config.runtime.listen {
        let tls = config.runtime.tls.cert_file.is_some();
        let scheme = if tls { "https" } else { "http" };
        let endpoint = format!("{scheme}://{}", reachable(address));
        return endpoint.parse().map_err(CliError::new);
    }
    match config.stack().state() {
        StackState::Running(stack) => Ok(Endpoint::Unix(stack.socket)),
        StackState::Starting => Err(CliError::new("the local stack is starting")),
        StackState::Stopped => Err(CliError::new("the local stack is not running")),
        StackState::Held(why) => Err(CliError::new(format!(
            "the local stack may not start now: {why}"
        ))),
    }
}

/// Asks /readyz of the probes.
async fn readiness(config: &Config) -> Result<String, CliError> {
    let address = config.runtime.metrics_listen.ok_or_else(|| {
        CliError::usage("metrics_listen is not set, so there is no /readyz").hint(
            "set it (SHIM_METRICS_LISTEN) as it is set for the server, or ask without --ready",
        )
    })?;
    let address = reachable(address);
    let answer = get(address, "/readyz")
        .await
        .map_err(|e| CliError::new(format!("no probes at {address}: {e}")))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let report = body.trim().replace('\n', "; ");
    if head.split(' ').nth(1) == Some("200") {
        Ok(report)
    } else {
        Err(CliError::new(format!("{address} is not ready: {report}")))
    }
}

/// The probes answer one request on a connection and close it.
async fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream
        .take(MAX_ANSWER_BYTES)
        .read_to_end(&mut answer)
        .await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The same address as seen from this machine: loopback for an address that means every interface.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(all) if all.ip().is_unspecified() => {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        SocketAddr::V6(all) if all.ip().is_unspecified() => {
            address.set_ip(Ipv6Addr::LOCALHOST.into());
        }
        _ => {}
    }
    address
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn what_listens_on_every_interface_is_asked_on_loopback() {
        for (listens, asked) in [
            ("0.0.0.0:50051", "127.0.0.1:50051"),
            ("[::]:9464", "[::1]:9464"),
            ("10.1.2.3:80", "10.1.2.3:80"),
        ] {
            let address: SocketAddr = listens.parse().unwrap();
            assert_eq!(reachable(address), asked.parse().unwrap());
        }
    }

    #[tokio::test]
    async fn a_probe_is_read_to_its_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.unwrap());
            }
            assert!(asked.starts_with(b"GET /readyz HTTP/1.1\r\n"));
            stream.write_all(b"HTTP/1.1 503 x\r\n\r\n").await.unwrap();
            stream.write_all(b"no store\n").await.unwrap();
        });
        let answer = get(address, "/readyz").await.unwrap();
        assert!(answer.ends_with("\r\n\r\nno store\n"), "{answer}");
        server.await.unwrap();
    }
}
