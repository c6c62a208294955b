//! Keeps the lane connected: notices its loss by pings, and checks out a new one with backoff and jitter.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shim_runtime::backoff::Backoff;
use tokio::sync::{Notify, watch};

use super::address::Address;
use super::lane::Lane;
use super::pool::{self, CheckedOutLane};
use super::redis_error;
use super::timeouts::{ANSWER_WITHIN, PING_EVERY};
use crate::metrics;

const FIRST_RETRY: Duration = Duration::from_millis(20);
const LONGEST_RETRY: Duration = Duration::from_millis(500);

/// The lane for commands, or why there is none.
#[derive(Clone)]
pub(super) enum ConnectionState {
    Up(Lane),
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

/// Holds the lane that is checked out, and publishes the state.
pub(super) struct Reconnector {
    pub(super) address: Arc<Address>,
    pub(super) state: watch::Sender<ConnectionState>,
    /// A caller asks for a ping at once, because a command failed.
    pub(super) probe_now: Arc<Notify>,
    /// The number of connections so far.
    pub(super) generation: Arc<AtomicU64>,
}

impl Reconnector {
    /// Runs until it is dropped.
    pub(super) async fn run(&self) {
        let pool = match pool::lane_pool(self.address.clone()) {
            Ok(pool) => pool,
            Err(why) => return self.mark_down(why),
        };
        let mut backoff = Backoff::new(FIRST_RETRY, LONGEST_RETRY);
        loop {
            match pool.get().await {
                Ok(lane) => {
                    tracing::info!("connected to Redis");
                    backoff.reset();
                    self.keep(lane).await;
                }
                Err(error) => {
                    let why = pool::message_of(&error);
                    let delay = backoff.next_delay();
                    tracing::debug!(%why, backoff = ?delay, "cannot connect to Redis");
                    self.mark_down(why);
                    tokio::time::sleep(delay).await;
                }
            }
        }
    }

    /// Publishes the lane until it is lost. A lost lane does not go back to the pool, whose next check-out would wait for
    /// the ping of a dead connection.
    async fn keep(&self, mut lane: CheckedOutLane) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        let shared = Lane::clone(&lane);
        self.state.send_replace(ConnectionState::Up(shared));
        let why = probe_until_lost(&mut lane, &self.probe_now).await;
        tracing::warn!(%why, "lost Redis; connecting again");
        self.mark_down(why);
        drop(CheckedOutLane::take(lane));
    }

    fn mark_down(&self, why: String) {
        metrics::set_redis_up(false);
        self.state.send_replace(ConnectionState::Down(why));
    }
}

/// Returns why the lane cannot be used any more.
async fn probe_until_lost(lane: &mut Lane, probe_now: &Notify) -> String {
    loop {
        // Repeated, since the exporter of the metrics may have started later.
        metrics::set_redis_up(true);
        tokio::select! {
            () = tokio::time::sleep(PING_EVERY) => {}
            () = probe_now.notified() => {}
        }
        match tokio::time::timeout(ANSWER_WITHIN, lane.ping()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return redis_error::message_of(&error),
            Err(_) => return format!("Redis did not answer within {ANSWER_WITHIN:?}"),
        }
    }
}
