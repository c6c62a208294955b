//! The connection that the stores call through.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::{Cmd, FromRedisValue, RedisResult};
use shim_runtime::background::BackgroundTasks;
use tokio::sync::{Notify, watch};

use super::address::Address;
use super::lane::Lane;
use super::reconnector::{ConnectionState, Reconnector};
use super::redis_error;
use super::timeouts::{
    ANSWER_WITHIN, FIRST_CONNECTION_WITHIN, LOCAL_PING_EVERY, OPERATION_WITHIN, PING_EVERY,
};
use crate::error::Error;
use crate::metrics;
use crate::reply::Reply;
use crate::script::Call;

/// Whether Redis can be reached now; if not, why.
pub type ConnectionHealth = Result<(), String>;

/// The connection of a process. Clones share it.
#[derive(Clone)]
pub struct RedisConnection {
    /// `None` if no Redis is configured.
    state: Option<watch::Receiver<ConnectionState>>,
    probe_now: Arc<Notify>,
    address: Option<Arc<Address>>,
    /// The number of connections so far.
    generation: Arc<AtomicU64>,
    opened_at: Instant,
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
    /// Starts the reconnector, which ends with the shutdown. Without an address every call answers `NoRedis`.
    pub(crate) fn open(address: Option<Address>, background: &BackgroundTasks) -> Self {
        Self::open_with_pings(address, PING_EVERY, background)
    }

    /// The same beside subscriptions to the same server, which ask for a [`Self::probe`] when they lose it.
    pub(crate) fn open_beside_subscriptions(
        address: Option<Address>,
        background: &BackgroundTasks,
    ) -> Self {
        let is_local = address.as_ref().is_some_and(Address::is_local_socket);
        let ping_every = if is_local {
            LOCAL_PING_EVERY
        } else {
            PING_EVERY
        };
        Self::open_with_pings(address, ping_every, background)
    }

    fn open_with_pings(
        address: Option<Address>,
        ping_every: Duration,
        background: &BackgroundTasks,
    ) -> Self {
        let address = address.map(Arc::new);
        let mut connection = Self {
            state: None,
            probe_now: Arc::default(),
            address: address.clone(),
            generation: Arc::default(),
            opened_at: Instant::now(),
        };
        if let Some(address) = address {
            connection.state = Some(connection.start_reconnector(address, ping_every, background));
        }
        connection
    }

    fn start_reconnector(
        &self,
        address: Arc<Address>,
        ping_every: Duration,
        background: &BackgroundTasks,
    ) -> watch::Receiver<ConnectionState> {
        let down = ConnectionState::Down("not connected yet".to_owned());
        let (sender, state) = watch::channel(down);
        let reconnector = Arc::new(Reconnector {
            state: sender,
            ping_every,
            address,
            probe_now: self.probe_now.clone(),
            generation: self.generation.clone(),
        });
        let shutdown = background.shutdown().clone();
        background.spawn_restarting("redis_reconnector", move || {
            let (reconnector, shutdown) = (reconnector.clone(), shutdown.clone());
            async move {
                tokio::select! {
                    () = reconnector.run() => {}
                    () = shutdown.wait() => {}
                }
            }
        });
        state
    }

    /// Runs a script.
    ///
    /// # Errors
    /// `NoRedis`, `Unavailable` or `Full`; the script's own refusals are in the reply.
    pub(crate) async fn call(&self, call: &Call<'_>) -> Result<Reply, Error> {
        let mut lane = self.require_lane().await?;
        let asked = call.invoke(&mut lane);
        let began = Instant::now();
        let answer = tokio::time::timeout(ANSWER_WITHIN, asked).await;
        metrics::record_redis_call(began.elapsed());
        self.finish_call(answer).map(Reply::of)
    }

    /// Runs a command that changes nothing.
    pub(crate) async fn query<T: FromRedisValue>(&self, cmd: &Cmd) -> Result<T, Error> {
        let mut lane = self.require_lane().await?;
        let asked = cmd.query_async(&mut lane);
        self.finish_call(tokio::time::timeout(ANSWER_WITHIN, asked).await)
    }

    /// Asks for a ping at once, whenever something tells that the server may be gone.
    pub(crate) fn probe(&self) -> Arc<Notify> {
        self.probe_now.clone()
    }

    /// Grows with every new connection. BullMQ has connections of its own to the same Redis, and looks for its address
    /// again when this number has changed.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// The address of Redis, for BullMQ, which makes its own connections.
    pub(crate) fn address(&self) -> Result<&Address, Error> {
        self.address.as_deref().ok_or(Error::NoRedis)
    }

    /// Whether Redis can be reached now.
    pub fn health(&self) -> ConnectionHealth {
        self.lane().map(drop).map_err(|error| error.to_string())
    }

    /// Waits until the health may have changed; for ever if no Redis is configured.
    pub async fn health_changed(&mut self) {
        let changed = match &mut self.state {
            Some(state) => state.changed().await.is_ok(),
            None => false,
        };
        if !changed {
            pending::<()>().await;
        }
    }

    /// The lane for a call. The metrics count a call without one as an error.
    async fn require_lane(&self) -> Result<Lane, Error> {
        if self.lane().is_err() && self.generation() == 0 {
            self.first_connection().await;
        }
        self.lane().inspect_err(metrics::count_redis_error)
    }

    /// Waits for the first connection of a process that has just started, and for no later one: a Redis that starts beside
    /// it listens within some milliseconds.
    async fn first_connection(&self) {
        let Some(mut state) = self.state.clone() else {
            return;
        };
        let left = FIRST_CONNECTION_WITHIN.saturating_sub(self.opened_at.elapsed());
        let is_up = |state: &ConnectionState| matches!(state, ConnectionState::Up(_));
        let _ = tokio::time::timeout(left, state.wait_for(is_up)).await;
    }

    fn lane(&self) -> Result<Lane, Error> {
        let state = self.state.as_ref().ok_or(Error::NoRedis)?;
        match &*state.borrow() {
            ConnectionState::Up(lane) => Ok(lane.clone()),
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
                self.probe_now.notify_one();
                Err(Error::Unavailable(format!(
                    "Redis did not answer within {ANSWER_WITHIN:?}"
                )))
            }
        }
    }
}

/// Ends an operation of several commands in time, though each of its commands may be slow. The effect of an operation
/// that was ended is unknown, as after a lost connection: the caller sends the same request again.
pub(crate) async fn with_operation_timeout<T>(
    steps: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(OPERATION_WITHIN, steps).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::Unavailable("Redis answers slowly".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use shim_redis_harness::Launch;
    use shim_runtime::lifecycle::Shutdown;

    use super::*;

    /// The delay of each of some 4,000 writes when the file is loaded, in microseconds.
    const LOAD_DELAY: &str = "300";
    const FILL: &str = "for i = 1, 4000 do redis.call('SET', 'key' .. i, i) end";

    #[tokio::test(flavor = "multi_thread")]
    async fn a_redis_that_loads_is_not_up() {
        let mut redis = Launch::new().setting("key-load-delay", LOAD_DELAY).start();
        redis.command(&["EVAL", FILL, "0"]).unwrap();
        redis.kill();
        let shutdown = Shutdown::new();
        let background = BackgroundTasks::new("test", &shutdown);
        let address = Address::parse(&redis.unix_url(), None).unwrap();
        let connection = RedisConnection::open(Some(address), &background);
        let asks = tokio::spawn({
            let connection = connection.clone();
            async move {
                let begin = Instant::now();
                let mut read = Cmd::new();
                read.arg("GET").arg("key1");
                // A connection that is up answers; it never says that the server loads.
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
        background.finish().await;
    }
}
