//! `shim checkpoint`: the checkpoint service alone in its process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use shim_runtime::auth::{Auth, Token};
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::{ListenError, Listeners, Server};
use shim_runtime::telemetry;

use crate::config::Config;
use crate::failure::Failure;

/// Where the service listens unless told otherwise.
pub(crate) const ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 50_051);

/// Where to listen.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// TCP address [default: 127.0.0.1:50051, or none if --socket is given]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Unix socket; one that is there already is replaced
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

/// Runs until SIGINT or SIGTERM.
pub(crate) fn run(args: Args, config: Config) -> Result<ExitCode, Failure> {
    telemetry::init(&config.runtime.log);
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(serve(args, config))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(args: Args, config: Config) -> Result<(), Failure> {
    let shutdown = Shutdown::on_signals()?;
    let auth = auth(&config)?;
    let mut listeners = Listeners::default();
    if let Some(path) = &args.socket {
        listeners.bind_unix(path)?;
    }
    let address = config
        .runtime
        .listen
        .or(args.socket.is_none().then_some(ADDRESS));
    if let Some(address) = address {
        let bound = listeners.bind_tcp(address, &auth).await?;
        tracing::info!(%bound, "listening");
    }
    let server = Server::new(auth)?;
    shim_checkpoint::run(
        config.checkpoint,
        &config.runtime.data_dir,
        server,
        listeners,
        shutdown,
    )
    .await?;
    Ok(())
}

/// What a server asks of its callers.
pub(crate) fn auth(config: &Config) -> Result<Auth, Failure> {
    let token = config
        .runtime
        .token_file
        .as_deref()
        .map(Token::from_file)
        .transpose();
    Ok(Auth::new(token.map_err(|e| Failure::new(e.to_string()))?))
}

impl From<ListenError> for Failure {
    fn from(error: ListenError) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            ListenError::Bind(..) => failure.hint(
                "choose another address with --listen, or see what holds it with `shim doctor`",
            ),
            ListenError::Exposed(_) | ListenError::BindUnix(..) | ListenError::PathTooLong(_) => {
                failure
            }
        }
    }
}

impl From<shim_checkpoint::StartError> for Failure {
    fn from(error: shim_checkpoint::StartError) -> Self {
        Self::new(error.to_string()).hint("`shim doctor` checks the data folder and the database")
    }
}
