//! What the processes of single services share: addresses, access, and the run until a signal. A background task that
//! broke makes the exit code 1.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use shim_runtime::auth::{Auth, Credentials, CredentialsError, TokenError};
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::{ListenError, Listeners, ServeError, Server};
use shim_runtime::tls::TlsError;
use shim_runtime::{process, telemetry};

use crate::config::Config;
use crate::error::CliError;

/// Where to listen.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// TCP address [default: the service's port on 127.0.0.1, or none if --socket is given]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Unix socket; one that is there already is replaced
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

/// A bound server, before the service is added.
pub(crate) struct BoundServer {
    /// The server, with health and reflection and no service yet.
    pub(crate) server: Server,
    /// Bound before anything heavy is done.
    pub(crate) listeners: Listeners,
    /// Begins with SIGINT or SIGTERM.
    pub(crate) shutdown: Shutdown,
}

/// An address on this machine only.
pub(crate) const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Binds, and runs `service`, which its telemetry calls `name`, until it ends.
pub(crate) fn run<F>(
    name: &'static str,
    args: &Args,
    config: Config,
    address: SocketAddr,
    service: impl FnOnce(Config, BoundServer) -> F,
) -> Result<ExitCode, CliError>
where
    F: Future<Output = Result<(), CliError>>,
{
    let _telemetry = telemetry::init(&config.runtime, name);
    process::raise_open_file_limit();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let bound = bind(args, &config, address).await?;
            service(config, bound).await
        })?;
    Ok(ExitCode::SUCCESS)
}

async fn bind(args: &Args, config: &Config, address: SocketAddr) -> Result<BoundServer, CliError> {
    let shutdown = Shutdown::on_signals()?;
    let mut auth = auth(config)?;
    let mut listeners = Listeners::default();
    if let Some(path) = &args.socket {
        listeners.bind_unix(path)?;
    }
    let address = config
        .runtime
        .listen
        .or(args.socket.is_none().then_some(address));
    if let Some(address) = address {
        let bound = listeners.bind_tcp(address, &auth).await?;
        auth = config.runtime.protect(auth, bound)?;
        tracing::info!(%bound, "listening");
    }
    bind_probes(&mut listeners, config).await?;
    Ok(BoundServer {
        server: server(config, auth)?,
        listeners,
        shutdown,
    })
}

/// Binds the HTTP probes if they are configured.
pub(crate) async fn bind_probes(
    listeners: &mut Listeners,
    config: &Config,
) -> Result<(), CliError> {
    if let Some(address) = config.runtime.metrics_listen {
        let open = config.runtime.metrics_open;
        let bound = listeners.bind_probes(address, open).await?;
        tracing::info!(%bound, "probes at /healthz and /readyz, metrics at /metrics");
    }
    Ok(())
}

/// Begins to connect to Redis.
pub(crate) fn open_store(
    config: &shim_store::Config,
    shutdown: &Shutdown,
) -> Result<shim_store::Store, CliError> {
    shim_store::Store::open_at(config, shutdown)
        .map_err(|wrong| CliError::usage(format!("redis_url: {wrong}")))
}

/// The access rules of a server.
pub(crate) fn auth(config: &Config) -> Result<Auth, CliError> {
    Ok(Auth::of(
        config.runtime.token_file.as_deref(),
        &config.runtime.tls,
    )?)
}

/// The credentials of a client.
pub(crate) fn credentials(config: &Config) -> Result<Credentials, CliError> {
    Ok(config.runtime.credentials()?)
}

/// A server without services, with the configured access rules, TLS and limits.
pub(crate) fn server(config: &Config, auth: Auth) -> Result<Server, CliError> {
    Ok(Server::new(auth)?
        .with_tls(config.runtime.tls.server()?)
        .with_limits(config.runtime.limits.clone()))
}

impl From<TokenError> for CliError {
    fn from(error: TokenError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<TlsError> for CliError {
    fn from(error: TlsError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<CredentialsError> for CliError {
    fn from(error: CredentialsError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<ListenError> for CliError {
    fn from(error: ListenError) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            ListenError::Bind(..) => failure.hint(
                "choose another address with --listen, or see what holds it with `shim doctor`",
            ),
            ListenError::BindProbes(..) => {
                failure.hint("choose another address for metrics_listen")
            }
            ListenError::Exposed(_) | ListenError::BindUnix(..) | ListenError::PathTooLong(_) => {
                failure
            }
        }
    }
}

impl From<ServeError> for CliError {
    fn from(error: ServeError) -> Self {
        Self::new(error.to_string())
    }
}
