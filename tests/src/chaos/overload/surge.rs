//! Calls that come at their own pace, however slow the answers are (an open loop): what a service cannot serve it must
//! refuse, quickly and with a time to come again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use shim_runtime::fault::explain;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::{Code, Status};

use super::Settings;
use super::load::{Caller, recovery};
use crate::service::Service;

/// Connections that share the load.
const CALLERS: u64 = 128;
/// Calls come in bursts this far apart.
const TICK: Duration = Duration::from_millis(5);
/// Open calls that this process can bear; what comes beyond is not sent, and counted.
const OPEN_CALLS: usize = 20_000;
const RECOVERS_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

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
struct Tally {
    served: AtomicU64,
    refused: AtomicU64,
    refused_without_delay: AtomicU64,
    timed_out: AtomicU64,
    failed: AtomicU64,
    first_failure: std::sync::OnceLock<String>,
}

impl Tally {
    fn note(&self, outcome: Result<(), Status>) {
        let counter = match outcome {
            Ok(()) => &self.served,
            Err(status) if status.code() == Code::ResourceExhausted => {
                if explain(&status).retry_after.is_some() {
                    &self.refused
                } else {
                    &self.refused_without_delay
                }
            }
            Err(status) => {
                self.first_failure.get_or_init(|| status.to_string());
                let told = explain(&status);
                if told.reason == "STORE_UNAVAILABLE" && told.retry_after.is_some() {
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
    settings: Settings,
    sustainable: f64,
    calm: Duration,
) -> Surge {
    let mut callers = Caller::several(service, CALLERS).await;
    let rate = sustainable * f64::from(settings.factor);
    let tally = Arc::new(Tally::default());
    let started = Instant::now();
    let (mut surge, memory) = tokio::join!(
        offer(&callers, rate, settings.surge, &tally),
        most_memory(service, settings.surge),
    );
    let span = started.elapsed().as_secs_f64();
    surge.recovered_after_seconds = recovery(service, calm, RECOVERS_WITHIN)
        .await
        .map(|after| after.as_secs_f64());
    for caller in &mut callers {
        surge.lost += caller.lost().await;
    }
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    surge.served = count(&tally.served);
    surge.refused = count(&tally.refused);
    surge.refused_without_delay = count(&tally.refused_without_delay);
    surge.timed_out = count(&tally.timed_out);
    surge.failed = count(&tally.failed);
    surge.first_failure = tally.first_failure.get().cloned();
    surge.most_memory_mib = memory;
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    {
        surge.offered_per_second = surge.sent as f64 / span;
        surge.served_per_second = surge.served as f64 / span;
    }
    surge
}

/// Sends `rate` calls a second for `span`, and waits until all are answered.
async fn offer(callers: &[Caller], rate: f64, span: Duration, tally: &Arc<Tally>) -> Surge {
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
        for (number, caller) in
            (due..now_due).zip(callers.iter().cycle().skip(due as usize % callers.len()))
        {
            let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
                surge.unsent += 1;
                continue;
            };
            surge.sent += 1;
            let (mut caller, tally) = (caller.clone(), Arc::clone(tally));
            open.spawn(async move {
                tally.note(caller.call(number).await);
                drop(place);
            });
        }
        due = now_due;
        while open.try_join_next().is_some() {}
    }
    open.join_all().await;
    surge
}

/// The most memory the service holds during `span`, in MiB.
pub(super) async fn most_memory(service: &Service, span: Duration) -> f64 {
    let started = Instant::now();
    let mut most = 0;
    while started.elapsed() < span {
        most = most.max(service.resident_bytes());
        tokio::time::sleep(LOOK_EVERY).await;
    }
    super::verdict::mib(most)
}
