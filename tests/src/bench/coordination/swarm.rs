//! Ten thousand workers that beat every 1.5 s from one process; a hundred of them fall silent, and WatchWorkers tells
//! when that is found.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use shim_proto::coordination::v1::watch_workers_response::Event as RegistryEvent;
use shim_proto::coordination::v1::{
    WatchWorkersRequest, WatchWorkersResponse, Worker, WorkerChangeKind,
};
use shim_redis_harness::Redis;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::MissedTickBehavior;
use tonic::Streaming;

use crate::bench::figure::Figure;
use crate::bench::latency::Latencies;
use crate::coordination::CoordinationClients;
use crate::rng::SeededRng;
use crate::service::{Launch, Service};
use crate::temp_env::TempEnv;

const WORKERS: usize = 10_000;
const SILENT: usize = 100;
const CHANNELS: usize = 8;
const REGISTERING: usize = 64;
const HEARTBEAT: Duration = Duration::from_millis(1_500);
const DEAD_AFTER: Duration = Duration::from_secs(5);
const STEADY: Duration = Duration::from_secs(15);
/// All deaths are due by then; whatever is not found is not found.
const DEATH_TIMEOUT: Duration = Duration::from_secs(15);
const SEED: u64 = 5;

/// What the beating workers count together.
#[derive(Debug, Default)]
struct HeartbeatCounts {
    beats: AtomicUsize,
    failures: AtomicUsize,
}

pub(super) async fn measure(temp: &TempEnv) -> Vec<Figure> {
    let redis = Redis::start();
    let launch = Launch::coordination(&temp.data_dir(), &redis.unix_url());
    let service = launch.named("swarm").start_or_panic().await;
    let mut worker_events = watch(&service).await;
    let counts = Arc::new(HeartbeatCounts::default());
    let workers = start(&service, &counts).await;

    let start = Instant::now();
    let before = counts.beats.load(Ordering::Relaxed);
    tokio::time::sleep(STEADY).await;
    let beats = counts.beats.load(Ordering::Relaxed) - before;
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let rate = beats as f64 / start.elapsed().as_secs_f64();

    let mut rng = SeededRng::new(SEED);
    let mut silent = BTreeSet::new();
    while silent.len() < SILENT {
        let (worker, heartbeat) = rng.pick(&workers);
        heartbeat.abort();
        silent.insert(worker.worker_id.clone());
    }
    let (mut delays, wrongly) = deaths(&mut worker_events, &silent).await;
    let found = delays.count();
    workers.iter().for_each(|(_, heartbeat)| heartbeat.abort());
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let count = |count: usize| count as f64;
    let refused = counts.failures.load(Ordering::Relaxed);
    vec![
        Figure::new("10,000 workers, heartbeats answered", rate, "1/s")
            .target(">= 6,500 1/s", rate >= 6_500.0),
        Figure::new(
            "10,000 workers, heartbeats refused",
            count(refused),
            "calls",
        )
        .at_most(0.0),
        Figure::new(
            "10,000 workers, living ones taken for dead",
            count(wrongly),
            "workers",
        )
        .at_most(0.0),
        Figure::new("100 deaths among them, found", count(found), "workers")
            .target("all 100", found == SILENT),
        Figure::new(
            "death found after it was due, median",
            delays.percentile_ms(50),
            "ms",
        ),
        Figure::new(
            "death found after it was due, longest",
            delays.percentile_ms(100),
            "ms",
        )
        .at_most(1_000.0),
    ]
}

async fn watch(service: &Service) -> Streaming<WatchWorkersResponse> {
    let mut registry = service.coordination().registry;
    let watch = registry.watch_workers(WatchWorkersRequest::default()).await;
    watch.expect("workers can be watched").into_inner()
}

/// Registers all workers, several at once; each beats from then on.
async fn start(service: &Service, counts: &Arc<HeartbeatCounts>) -> Vec<(Worker, AbortHandle)> {
    let channels: Vec<CoordinationClients> =
        (0..CHANNELS).map(|_| service.coordination()).collect();
    let mut registering = JoinSet::new();
    for lane in 0..REGISTERING {
        let (mut clients, counts) = (channels[lane % CHANNELS].clone(), Arc::clone(counts));
        registering.spawn(async move {
            let mut workers = Vec::new();
            for number in (lane..WORKERS).step_by(REGISTERING) {
                let worker = clients.register(&format!("worker {number}"), "bench").await;
                let worker = worker.expect("a worker is registered");
                let heartbeat =
                    send_heartbeats(clients.clone(), worker.clone(), Arc::clone(&counts));
                workers.push((worker, tokio::spawn(heartbeat).abort_handle()));
            }
            workers
        });
    }
    registering.join_all().await.into_iter().flatten().collect()
}

/// One worker's heart.
async fn send_heartbeats(
    mut clients: CoordinationClients,
    worker: Worker,
    counts: Arc<HeartbeatCounts>,
) {
    let mut ticks = tokio::time::interval(HEARTBEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let count = match clients.heartbeat(&worker).await {
            Ok(()) => &counts.beats,
            Err(_) => &counts.failures,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// How long after its due time each of `silent` was told to be dead, and how many others were.
async fn deaths(
    worker_events: &mut Streaming<WatchWorkersResponse>,
    silent: &BTreeSet<String>,
) -> (Latencies, usize) {
    let (mut delays, mut found, mut wrongly) = (Latencies::default(), 0, 0);
    let listen = async {
        while found < silent.len() {
            let response = worker_events.message().await.expect("the watch goes on");
            let Some(RegistryEvent::Changed(change)) = response.and_then(|response| response.event)
            else {
                continue;
            };
            let Some(worker) = change.worker.as_ref() else {
                continue;
            };
            if change.kind() != WorkerChangeKind::Died {
                continue;
            }
            if silent.contains(&worker.worker_id) {
                found += 1;
                delays.record(delay(worker));
            } else {
                wrongly += 1;
            }
        }
    };
    // What was not told by then is counted as not found.
    let _ = tokio::time::timeout(DEATH_TIMEOUT, listen).await;
    (delays, wrongly)
}

/// From the moment its silence was too long until now, by the one clock of this machine.
fn delay(dead: &Worker) -> Duration {
    let last_beat = dead.last_heartbeat_at.unwrap_or_default();
    let last_beat = SystemTime::try_from(last_beat).unwrap_or(SystemTime::UNIX_EPOCH);
    let silence = SystemTime::now()
        .duration_since(last_beat)
        .unwrap_or_default();
    silence.saturating_sub(DEAD_AFTER)
}
