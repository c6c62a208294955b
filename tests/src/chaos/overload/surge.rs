//! Calls that come at their own pace, however slow the answers are (an open loop): what a service cannot serve it must
//! refuse, quickly and with a time to come again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use shim_runtime::service_error::decode;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::{Code, Status};

use super::SuiteOptions;
use super::load::{LoadClient, time_to_recover};
use crate::service::Service;

/// Connections that share the load.
const CALLERS: u64 = 128;
/// Calls come in bursts this far apart.
const TICK: Duration = Duration::from_millis(5);
/// Open calls that this process can bear; what comes beyond is not sent, and counted.
const OPEN_CALLS: usize = 20_000;
const RECOVERS_WITHIN: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// What a surge came to.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Surge {
    /// Calls sent a second.
    pub offered_per_second: f64,
    /// Calls served a second.
    pub served_per_second: f64,
    /// Calls sent.
    pub sent: u64,
    /// Calls that this process could not send, with too many open.
    pub unsent: u64,
    /// Calls served.
    pub served: u64,
    /// Calls refused with RESOURCE_EXHAUSTED and a delay.
    pub refused: u64,
    /// Calls refused with RESOURCE_EXHAUSTED and no delay.
    pub refused_without_delay: u64,
    /// Calls that Redis did not answer in time, told with a delay: on a slow machine the promise of an answer ends there.
    pub timed_out: u64,
    /// Calls that failed otherwise.
    pub failed: u64,
    /// The first such failure, or the first that timed out.
    pub first_failure: Option<String>,
    /// Most memory the service held, in MiB.
    pub most_memory_mib: f64,
    /// Acknowledged saves that are not there.
    pub lost: u64,
    /// From the last call to calm latencies; `None` if they never came.
    pub recovered_after_seconds: Option<f64>,
}

#[derive(Default)]
struct CallCounts {
    served: AtomicU64,
    refused: AtomicU64,
    refused_without_delay: AtomicU64,
    timed_out: AtomicU64,
    failed: AtomicU64,
    first_failure: std::sync::OnceLock<String>,
}

impl CallCounts {
    fn record(&self, outcome: Result<(), Status>) {
        let counter = match outcome {
            Ok(()) => &self.served,
            Err(status) if status.code() == Code::ResourceExhausted => {
                if decode(&status).retry_after.is_some() {
                    &self.refused
                } else {
                    &self.refused_without_delay
                }
            }
            Err(status) => {
                self.first_failure.get_or_init(|| status.to_string());
                let decoded = decode(&status);
                if decoded.reason == "STORE_UNAVAILABLE" && decoded.retry_after.is_some() {
                    &self.timed_out
                } else {
                    &self.failed
                }
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

pub(super) async fn run(
    service: &Service,
    settings: SuiteOptions,
    sustainable: f64,
    calm: Duration,
) -> Surge {
    let mut load_clients = LoadClient::several(service, CALLERS).await;
    let rate = sustainable * f64::from(settings.factor);
    let counts = Arc::new(CallCounts::default());
    let started = Instant::now();
    let (mut surge, memory) = tokio::join!(
        send_open_loop(&load_clients, rate, settings.surge, &counts),
        peak_memory(service, settings.surge),
    );
    let span = started.elapsed().as_secs_f64();
    surge.recovered_after_seconds = time_to_recover(service, calm, RECOVERS_WITHIN)
        .await
        .map(|after| after.as_secs_f64());
    for load_client in &mut load_clients {
        surge.lost += load_client.lost().await;
    }
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    surge.served = count(&counts.served);
    surge.refused = count(&counts.refused);
    surge.refused_without_delay = count(&counts.refused_without_delay);
    surge.timed_out = count(&counts.timed_out);
    surge.failed = count(&counts.failed);
    surge.first_failure = counts.first_failure.get().cloned();
    surge.most_memory_mib = memory;
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    {
        surge.offered_per_second = surge.sent as f64 / span;
        surge.served_per_second = surge.served as f64 / span;
    }
    surge
}

/// Sends `rate` calls a second for `span`, and waits until all are answered.
async fn send_open_loop(
    load_clients: &[LoadClient],
    rate: f64,
    span: Duration,
    counts: &Arc<CallCounts>,
) -> Surge {
    let mut surge = Surge::default();
    let room = Arc::new(Semaphore::new(OPEN_CALLS));
    let mut open = JoinSet::new();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let started = Instant::now();
    let mut due: u64 = 0;
    while started.elapsed() < span {
        ticks.tick().await;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of calls"
        )]
        let now_due = (rate * started.elapsed().as_secs_f64()) as u64;
        for (number, load_client) in (due..now_due).zip(
            load_clients
                .iter()
                .cycle()
                .skip(due as usize % load_clients.len()),
        ) {
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                surge.unsent += 1;
                continue;
            };
            surge.sent += 1;
            let (mut load_client, counts) = (load_client.clone(), Arc::clone(counts));
            open.spawn(async move {
                counts.record(load_client.call(number).await);
                drop(permit);
            });
        }
        due = now_due;
        while open.try_join_next().is_some() {}
    }
    open.join_all().await;
    surge
}

/// The most memory the service holds during `span`, in MiB.
pub(super) async fn peak_memory(service: &Service, span: Duration) -> f64 {
    let started = Instant::now();
    let mut most = 0;
    while started.elapsed() < span {
        most = most.max(service.resident_bytes());
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    super::verdict::mib(most)
}
