//! The way to Redis: one multiplexed connection for all commands, kept alive by one supervisor.
//!
//! The invariant: a call through the link answers within [`ANSWER_WITHIN`], with what Redis said or with
//! `Unavailable`; it never waits for a reconnection. The supervisor pings an idle connection, notices a silent or
//! demoted server, and connects anew with backoff and jitter, asking the Sentinels again each time.

mod address;
mod redis_error;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::select_ok;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{
    AsyncConnectionConfig, Cmd, FromRedisValue, Pipeline, RedisFuture, RedisResult, Value,
};
use shim_runtime::lifecycle::Shutdown;
use tokio::sync::{Notify, watch};

pub(crate) use address::Address;
pub(crate) use redis_error::classify;

use super::reply::Reply;
use super::script::Call;
use crate::error::Error;
use crate::metrics;

/// A command is given up after this, so that a caller learns of a dead Redis within a second.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_millis(800);
/// An operation of several commands is given up after this.
const OPERATION_WITHIN: Duration = Duration::from_millis(950);
/// A connection is given up after this.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_millis(800);
/// How often an idle connection is tried.
const PING_EVERY: Duration = Duration::from_millis(500);
/// Slots of a Cluster, and how many of them are asked for their master at a time; one answer is enough.
const CLUSTER_SLOTS: u16 = 16_384;
const CLUSTER_PINGS: u16 = 8;
const MIN_BACKOFF: Duration = Duration::from_millis(20);
const MAX_BACKOFF: Duration = Duration::from_millis(500);
/// Commands that may wait to be written, before callers wait.
const PIPELINE: usize = 1_024;

/// Whether Redis can be reached now; if not, why.
pub type ConnectionHealth = Result<(), String>;

/// A connection of either kind. Clones share it.
#[derive(Clone)]
pub(crate) enum LiveConnection {
    Node(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for LiveConnection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Node(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Node(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Node(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

impl Address {
    async fn connect(&self) -> RedisResult<LiveConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN))
            .set_pipeline_buffer_size(PIPELINE);
        let client = match self {
            Self::Node(client, _) => client.clone(),
            Self::Sentinel(set) => set.master().await?,
            Self::Cluster(client, ..) => {
                return client
                    .get_async_connection()
                    .await
                    .map(LiveConnection::Cluster);
            }
        };
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map(LiveConnection::Node)
    }
}

#[derive(Clone)]
enum ConnectionState {
    Up(LiveConnection),
    Down(String),
}

impl std::fmt::Debug for ConnectionState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Up(_) => f.write_str("Up"),
            Self::Down(why) => write!(f, "Down({why})"),
        }
    }
}

/// The shared connection. Clones share it.
#[derive(Clone)]
pub struct RedisConnection {
    /// `None` if no Redis is configured.
    state: Option<watch::Receiver<ConnectionState>>,
    probe_now: Arc<Notify>,
    address: Option<Arc<Address>>,
    /// How often it was connected.
    generation: Arc<AtomicU64>,
}

impl std::fmt::Debug for RedisConnection {
    /// The address may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisConnection")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl RedisConnection {
    /// Starts the supervisor, which ends with the shutdown; without an address every call answers `NoRedis`.
    pub(crate) fn open(address: Option<Address>, shutdown: &Shutdown) -> Self {
        let probe_now = Arc::new(Notify::new());
        let generation = Arc::new(AtomicU64::new(0));
        let address = address.map(Arc::new);
        let state = address.clone().map(|address| {
            let (state_sender, state) =
                watch::channel(ConnectionState::Down("not connected yet".to_owned()));
            let reconnector = Reconnector {
                address,
                state_sender,
                probe_now: probe_now.clone(),
                generation: generation.clone(),
            };
            let shutdown = shutdown.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = reconnector.run() => {}
                    () = shutdown.wait() => {}
                }
            });
            state
        });
        Self {
            state,
            probe_now,
            address,
            generation,
        }
    }

    /// Runs a script.
    ///
    /// # Errors
    /// `NoRedis`, `Unavailable` or `Full`; the script's own refusals are in the reply.
    pub(crate) async fn call(&self, call: &Call<'_>) -> Result<Reply, Error> {
        let mut connection = self.require_connection()?;
        let asked = call.invoke(&mut connection);
        let began = Instant::now();
        let answer = tokio::time::timeout(ANSWER_WITHIN, asked).await;
        metrics::record_redis_call(began.elapsed());
        self.finish_call(answer).map(Reply::of)
    }

    /// Runs a command that changes nothing.
    pub(crate) async fn query<T: FromRedisValue>(&self, cmd: &Cmd) -> Result<T, Error> {
        let mut connection = self.require_connection()?;
        let asked = cmd.query_async(&mut connection);
        self.finish_call(tokio::time::timeout(ANSWER_WITHIN, asked).await)
    }

    /// Grows with every new connection: what hangs on another way to the same Redis looks again where that is.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Where Redis is, for what connects to it by itself.
    pub(crate) fn address(&self) -> Result<&Address, Error> {
        self.address.as_deref().ok_or(Error::NoRedis)
    }

    /// Whether Redis can be reached now.
    pub fn health(&self) -> ConnectionHealth {
        self.connection()
            .map(drop)
            .map_err(|error| error.to_string())
    }

    /// Waits until the health may have changed; for ever without a Redis.
    pub async fn health_changed(&mut self) {
        let changed = match &mut self.state {
            Some(state) => state.changed().await.is_ok(),
            None => false,
        };
        if !changed {
            pending::<()>().await;
        }
    }

    /// The connection, for somebody who fails without it.
    fn require_connection(&self) -> Result<LiveConnection, Error> {
        self.connection().inspect_err(metrics::count_redis_error)
    }

    fn connection(&self) -> Result<LiveConnection, Error> {
        let state = self.state.as_ref().ok_or(Error::NoRedis)?;
        match &*state.borrow() {
            ConnectionState::Up(connection) => Ok(connection.clone()),
            ConnectionState::Down(why) => Err(Error::Unavailable(why.clone())),
        }
    }

    fn finish_call<T>(
        &self,
        outcome: Result<RedisResult<T>, tokio::time::error::Elapsed>,
    ) -> Result<T, Error> {
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                if redis_error::needs_new_connection(&error) {
                    self.probe_now.notify_one();
                }
                let error = redis_error::classify(&error);
                metrics::count_redis_error(&error);
                Err(error)
            }
            Err(_) => {
                metrics::count_redis_timeout();
                Err(Error::Unavailable(format!(
                    "Redis did not answer within {ANSWER_WITHIN:?}"
                )))
            }
        }
    }
}

/// Ends an operation of several commands in time, though each of them may be slow. What it did then is unknown, as with
/// a lost connection: the caller sends the same request again.
pub(crate) async fn with_operation_timeout<T>(
    steps: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(OPERATION_WITHIN, steps).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::Unavailable("Redis answers slowly".to_owned())),
    }
}

/// Keeps one connection.
struct Reconnector {
    address: Arc<Address>,
    state_sender: watch::Sender<ConnectionState>,
    probe_now: Arc<Notify>,
    generation: Arc<AtomicU64>,
}

impl Reconnector {
    async fn run(self) {
        let mut backoff = MIN_BACKOFF;
        loop {
            match self.connect().await {
                Ok(connection) => {
                    tracing::info!("connected to Redis");
                    backoff = MIN_BACKOFF;
                    self.generation.fetch_add(1, Ordering::Relaxed);
                    self.state_sender
                        .send_replace(ConnectionState::Up(connection.clone()));
                    let why = self.probe_until_lost(connection).await;
                    tracing::warn!(%why, "lost Redis; connecting again");
                    self.mark_down(why);
                }
                Err(why) => {
                    tracing::debug!(%why, ?backoff, "cannot connect to Redis");
                    self.mark_down(why);
                    // Full jitter over the upper half, so that many processes do not come back in step.
                    let jitter = rand::random_range(0.5..1.0);
                    tokio::time::sleep(backoff.mul_f64(jitter)).await;
                    backoff = (backoff * 2).min(MAX_BACKOFF);
                }
            }
        }
    }

    fn mark_down(&self, why: String) {
        metrics::set_redis_up(false);
        self.state_sender.send_replace(ConnectionState::Down(why));
    }

    async fn connect(&self) -> Result<LiveConnection, String> {
        let connect = async {
            let mut connection = self.address.connect().await?;
            // A server that still loads its file accepts connections and refuses commands.
            ping(&mut connection).await?;
            Ok::<_, redis::RedisError>(connection)
        };
        match tokio::time::timeout(CONNECT_WITHIN * 2, connect).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(redis_error::message_of(&error)),
            Err(_) => Err("Redis does not answer".to_owned()),
        }
    }

    /// Returns why the connection is no good any more.
    async fn probe_until_lost(&self, mut connection: LiveConnection) -> String {
        loop {
            // Each time anew: who shows it may have begun later.
            metrics::set_redis_up(true);
            tokio::select! {
                () = tokio::time::sleep(PING_EVERY) => {}
                () = self.probe_now.notified() => {}
            }
            match tokio::time::timeout(ANSWER_WITHIN, ping(&mut connection)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return redis_error::message_of(&error),
                Err(_) => return format!("Redis did not answer within {ANSWER_WITHIN:?}"),
            }
        }
    }
}

/// Fails if the server cannot take writes: it is gone, still loading, or a replica; of a Cluster, if no master answers,
/// since each namespace depends on its own one only.
async fn ping(connection: &mut LiveConnection) -> RedisResult<()> {
    match connection {
        LiveConnection::Node(connection) => {
            // A server that still loads its file tells its role, but refuses this.
            let () = redis::cmd("PING").query_async(connection).await?;
            let role: Vec<Value> = redis::cmd("ROLE").query_async(connection).await?;
            match role.first() {
                Some(Value::BulkString(role)) if role.as_slice() != b"master" => {
                    Err(redis::RedisError::from((
                        redis::ErrorKind::Server(redis::ServerErrorKind::ReadOnly),
                        "the server is a replica",
                    )))
                }
                _ => Ok(()),
            }
        }
        LiveConnection::Cluster(connection) => {
            let pings = (0..CLUSTER_PINGS).map(|i| ping_master(connection.clone(), i).boxed());
            select_ok(pings).await.map(drop)
        }
    }
}

/// Asks the master of one of the slots that lie evenly over a Cluster.
async fn ping_master(mut connection: ClusterConnection, i: u16) -> RedisResult<Value> {
    let route = Route::new(CLUSTER_SLOTS / CLUSTER_PINGS * i, SlotAddr::Master);
    let routing = RoutingInfo::SingleNode(SingleNodeRoutingInfo::SpecificNode(route));
    connection.route_command(redis::cmd("PING"), routing).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Instant;

    use shim_redis_harness::Launch;

    use super::*;

    /// Some 4,000 writes that each take their time to be loaded again.
    const LOAD_DELAY: &str = "300";
    const FILL: &str = "for i = 1, 4000 do redis.call('SET', 'key' .. i, i) end";

    #[tokio::test(flavor = "multi_thread")]
    async fn a_redis_that_loads_is_not_up() {
        let mut redis = Launch::new().setting("key-load-delay", LOAD_DELAY).start();
        redis.command(&["EVAL", FILL, "0"]).unwrap();
        redis.kill();
        let shutdown = Shutdown::new();
        let address = Address::parse(&redis.unix_url(), None).unwrap();
        let connection = RedisConnection::open(Some(address), &shutdown);
        let asks = tokio::spawn({
            let connection = connection.clone();
            async move {
                let begin = Instant::now();
                let mut read = Cmd::new();
                read.arg("GET").arg("key1");
                // What is up answers; it may not say that it loads.
                while connection.health().is_err() {
                    assert!(begin.elapsed() < Duration::from_secs(20));
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                connection.query::<String>(&read).await
            }
        });
        tokio::task::block_in_place(|| redis.restart());
        assert_eq!(asks.await.unwrap(), Ok("1".to_owned()));
        assert!(redis.log().contains("DB loaded from"), "{}", redis.log());
        shutdown.begin();
    }
}
