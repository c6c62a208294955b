//! `shim up`: the local stack, all services in one process on a Unix socket, and on TCP if asked for, with a private Redis.
//!
//! Order: lock, leave the terminal if detached, logs, bind, Redis, build, publish the socket, wait, drain, flush the
//! store, stop Redis. A background task that broke makes the exit code 1.

pub(crate) mod args;
pub(crate) mod background;
mod detach;
mod idle;
pub(crate) mod redis;
pub(crate) mod redis_files;
pub(crate) mod redis_log;
pub(crate) mod redis_settings;
pub(crate) mod redis_trouble;
pub(crate) mod services;
mod spool_reader;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shim_runtime::auth::{Auth, token_file};
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::Listeners;
use shim_runtime::stack::{Stack, StackError, StackInfo, StackLock, StackState};
use shim_runtime::{process, service, telemetry};

use crate::block_on::block_on;
use crate::config::Config;
use crate::error::CliError;
use crate::service::{BoundServer, auth, bind_probes, server};
use crate::surroundings;
use args::Args;
use redis::PrivateRedis;

/// Runs the stack until a signal, or starts it in the background.
pub(crate) fn run(args: &Args, config: Config, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    if args.detach {
        return block_on(detach::start(args, &config, out));
    }
    let stack = config.stack();
    // Many gateways may start a stack at once, and one stack is enough. The others leave right away: one that waited
    // could outlive a `shim down` and take over.
    if args.detached && stack.state() != StackState::Stopped {
        return Ok(ExitCode::SUCCESS);
    }
    let lock = match stack.acquire() {
        Ok(lock) => lock,
        Err(StackError::AlreadyRunning | StackError::Held(_)) if args.detached => {
            return Ok(ExitCode::SUCCESS);
        }
        Err(error) => return Err(error.into()),
    };
    if args.detached {
        background::leave_terminal(&stack)?;
    }
    let _telemetry = telemetry::init(&config.runtime, "shim-up");
    process::raise_open_file_limit();
    let served = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(serve(&stack, lock, config, args.idle_exit));
    if let (true, Err(failure)) = (args.detached, &served) {
        tracing::error!(%failure, "the stack ended");
    }
    served.map(|()| ExitCode::SUCCESS)
}

async fn serve(
    stack: &Stack,
    mut lock: StackLock,
    config: Config,
    idle_exit: Option<Duration>,
) -> Result<(), CliError> {
    let shutdown = Shutdown::on_signals()?;
    let mut listeners = Listeners::default();
    listeners.bind_unix(&stack.socket())?;
    let (tcp, auth) = bind_tcp(&mut listeners, &config).await?;
    bind_probes(&mut listeners, &config).await?;
    let redis = match &config.runtime.redis_url {
        Some(_) => None,
        None => PrivateRedis::start(config.data_dir(), config.appendfsync, config.max_memory),
    };
    let info = StackInfo {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_unix_ms: now_unix_ms(),
        socket: stack.socket(),
        tcp,
        token_file: auth.is_local().then(|| token_file(config.data_dir())),
        redis: redis_url(&config, redis.as_ref()),
        surroundings: Some(Box::new(surroundings::own(&config, idle_exit))),
    };
    let bound = BoundServer {
        server: server(&config, auth)?,
        listeners,
        shutdown,
    };
    let ready = || lock.publish(&info);
    let socket = stack.socket();
    let served = run_services(config, redis.as_ref(), socket, bound, idle_exit, ready).await;
    if let Some(redis) = redis {
        redis.stop().await;
    }
    // The lock is still held, so this socket is not the next stack's.
    let _ = std::fs::remove_file(stack.socket());
    served
}

async fn run_services(
    config: Config,
    redis: Option<&PrivateRedis>,
    socket: PathBuf,
    bound: BoundServer,
    idle_exit: Option<Duration>,
    ready: impl FnOnce() -> std::io::Result<()>,
) -> Result<(), CliError> {
    let BoundServer {
        server,
        listeners,
        shutdown,
    } = bound;
    let spool = spool_reader::Source::of(&config, &socket)?;
    let (services, store) = services::build(config, redis, socket, &shutdown).await?;
    let idle_watch = idle::watch(server.activity(), idle_exit, &store, shutdown.clone());
    ready()?;
    tracing::info!(pid = std::process::id(), "the stack serves");
    let hooks = spool_reader::spawn(spool, &shutdown);
    let served = service::serve(&services, server, listeners, shutdown.clone());
    let (served, ()) = tokio::join!(served, idle_watch);
    hooks.finish().await;
    store.finish().await;
    Ok(served?)
}

/// Where Redis is, as it may be shown.
fn redis_url(config: &Config, private: Option<&PrivateRedis>) -> Option<String> {
    let configured = config.runtime.redis_url.as_deref();
    configured
        .map(redis::without_secrets)
        .or_else(|| private.map(PrivateRedis::url))
}

/// TCP is for whoever asks for it (`listen`): every user of the machine reaches it. Then callers there show a token, the
/// data folder's if no other rule is configured.
async fn bind_tcp(
    listeners: &mut Listeners,
    config: &Config,
) -> Result<(Option<SocketAddr>, Auth), CliError> {
    let auth = auth(config)?;
    let Some(address) = config.runtime.listen else {
        return Ok((None, auth));
    };
    // First: whoever finds the port finds the token.
    let auth = config.runtime.protect(auth, address)?;
    let bound = listeners.bind_tcp(address, &auth).await?;
    Ok((Some(bound), auth))
}

fn now_unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
