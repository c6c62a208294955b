//! Keeps the lane connected: notices its loss by pings, and checks out a new one with backoff and jitter.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use shim_runtime::backoff::Backoff;
use tokio::sync::{Notify, watch};

use super::address::Address;
use super::lane::Lane;
use super::pool::{self, CheckedOutLane};
use super::redis_error;
use super::timeouts::ANSWER_WITHIN;
use crate::metrics;

const FIRST_RETRY: Duration = Duration::from_millis(20);
const LONGEST_RETRY: Duration = Duration::from_millis(500);
/// A server that starts or restarts is away for a shorter time.
const TELL_AFTER: Duration = Duration::from_secs(1);

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
    pub(super) ping_every: Duration,
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
        let mut outage = Outage::default();
        loop {
            match pool.get().await {
                Ok(lane) => {
                    tracing::info!("connected to Redis");
                    backoff.reset();
                    outage = Outage::default();
                    self.keep(lane).await;
                }
                Err(error) => {
                    let why = self.address.name_in(&pool::message_of(&error));
                    let delay = backoff.next_delay();
                    if outage.is_news(&why, Instant::now()) {
                        tracing::warn!(%why, "cannot connect to Redis; trying on");
                    }
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
        let why = probe_until_lost(&mut lane, &self.probe_now, self.ping_every).await;
        let why = self.address.name_in(&why);
        tracing::warn!(%why, "lost Redis; connecting again");
        self.mark_down(why);
        drop(CheckedOutLane::take(lane));
    }

    fn mark_down(&self, why: String) {
        metrics::set_redis_up(false);
        self.state.send_replace(ConnectionState::Down(why));
    }
}

/// What the log knows of a time without a connection.
#[derive(Debug, Default)]
struct Outage {
    since: Option<Instant>,
    told: Option<String>,
}

impl Outage {
    /// Whether a reason is to be logged: it lasts, and is not the one that was logged last.
    fn is_news(&mut self, why: &str, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let is_news = now - since >= TELL_AFTER && self.told.as_deref() != Some(why);
        if is_news {
            self.told = Some(why.to_owned());
        }
        is_news
    }
}

/// Returns why the lane cannot be used any more.
async fn probe_until_lost(lane: &mut Lane, probe_now: &Notify, ping_every: Duration) -> String {
    loop {
        // Repeated, since the exporter of the metrics may have started later.
        metrics::set_redis_up(true);
        tokio::select! {
            () = tokio::time::sleep(ping_every) => {}
            () = probe_now.notified() => {}
        }
        match tokio::time::timeout(ANSWER_WITHIN, lane.ping()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return redis_error::message_of(&error),
            Err(_) => return format!("Redis did not answer within {ANSWER_WITHIN:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lasting_outage_is_logged_once_for_each_reason() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        let mut is_news =
            |why: &str, after_ms| outage.is_news(why, start + Duration::from_millis(after_ms));
        assert!(!is_news("refused", 0));
        assert!(!is_news("refused", 999));
        assert!(is_news("refused", 1_000));
        assert!(!is_news("refused", 60_000));
        assert!(is_news("no password", 61_000));
    }
}
