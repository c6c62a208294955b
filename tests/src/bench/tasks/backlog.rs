//! A hundred thousand tasks that wait: what each costs in memory, whether the last ones are taken as fast as the first
//! ones, and what is left of them when they are done.

use std::time::{Duration, Instant};

use shim_proto::coordination::v1::QueueHealthRequest;
use shim_redis_harness::Redis;

use super::official::Official;
use super::retry::retry_unavailable;
use super::{APPENDFSYNC, ours};
use crate::bench::figure::Figure;
use crate::service::{Launch, Service};
use crate::tasks::{TaskClients, job};
use crate::temp_env::TempEnv;

const TASKS: usize = 100_000;
/// Tasks between two looks at the clock.
const BATCH_TASKS: usize = 10_000;
/// Jobs of the peer: each costs the same.
const PEER_JOBS: usize = 20_000;
const QUEUED_BYTES: f64 = 1_000.0;
const FINISHED_BYTES: f64 = 2_048.0;
const POLL_INTERVAL: Duration = Duration::from_millis(20);

pub(super) async fn measure(progress: &impl Fn(&str)) -> Vec<Figure> {
    let (peer_queued, peer_finished) = peer().await;
    let temp = TempEnv::new();
    let redis = redis();
    let stack = Launch::stack(&temp.data_dir(), &redis.unix_url());
    let service = stack.start_or_panic().await;
    let workers = ours::start_workers(&service).await;
    let empty = used_memory(&redis);

    progress("100,000 tasks: submitting");
    let mut rates = Vec::new();
    for _ in 0..TASKS / BATCH_TASKS {
        let start = Instant::now();
        ours::submit_all(&service, BATCH_TASKS, |number| {
            job(&format!("job {number}"))
        })
        .await;
        rates.push(share(count(BATCH_TASKS), start.elapsed().as_secs_f64()));
    }
    wait_for_empty_outbox(&service).await;
    let queued = share(used_memory(&redis) - empty, count(TASKS));
    progress("100,000 tasks: working them off");
    let start = Instant::now();
    let end = workers.complete_tasks(TASKS).await;
    let processed = share(count(TASKS), (end - start).as_secs_f64());
    wait_for_empty_outbox(&service).await;
    let finished = share(used_memory(&redis) - empty, count(TASKS));

    let (first, last) = (rates[0], rates[rates.len() - 1]);
    vec![
        Figure::new(
            "100,000 queued tasks, the first 10,000 submitted",
            first,
            "1/s",
        ),
        Figure::new(
            "100,000 queued tasks, the last 10,000 submitted",
            last,
            "1/s",
        )
        .beside("the first 10,000", first)
        .target(">= 0.8x the first", last >= 0.8 * first),
        Figure::new("100,000 queued tasks, processed", processed, "1/s"),
        Figure::new("memory of a queued task", queued, "bytes")
            .beside("bullmq-official", peer_queued)
            .at_most(QUEUED_BYTES),
        Figure::new("memory of a finished task", finished, "bytes")
            .beside("bullmq-official", peer_finished)
            .at_most(FINISHED_BYTES),
    ]
}

/// What a queued and a finished job of the peer cost.
async fn peer() -> (f64, f64) {
    let redis = redis();
    let peer = Official::on(&redis).await;
    let empty = used_memory(&redis);
    peer.submit(PEER_JOBS).await;
    let queued = used_memory(&redis) - empty;
    peer.process(PEER_JOBS).await;
    let finished = used_memory(&redis) - empty;
    (
        share(queued, count(PEER_JOBS)),
        share(finished, count(PEER_JOBS)),
    )
}

/// As the stack starts its own, for both sides.
fn redis() -> Redis {
    let launch = shim_redis_harness::Launch::new();
    let launch = launch.setting("appendfsync", APPENDFSYNC);
    let launch = launch.setting("hash-max-listpack-entries", "64");
    launch.setting("hash-max-listpack-value", "1024").start()
}

/// Waits until BullMQ knows all that was decided.
async fn wait_for_empty_outbox(service: &Service) {
    let call =
        |mut clients: TaskClients, request| async move { clients.jobs.queue_health(request).await };
    let clients = service.tasks();
    loop {
        let health = retry_unavailable(&clients, QueueHealthRequest {}, call).await;
        if health.expect("queues can be looked at").get_ref().outbox == 0 {
            return;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Bytes that Redis has given out, without what its buffers and copies take.
pub(in crate::bench) fn used_memory(redis: &Redis) -> f64 {
    let info = redis.command(&["INFO", "memory"]);
    let info = info.expect("Redis tells of its memory");
    let lines = info.text().unwrap_or_default();
    let bytes = |name: &str| {
        let line = lines.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|value| value.trim().parse::<f64>().ok());
        value.unwrap_or_else(|| panic!("no {name} in {lines}"))
    };
    bytes("used_memory:") - bytes("mem_not_counted_for_evict:") - bytes("mem_clients_normal:")
}

fn count(number: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let count = number as f64;
    count
}

fn share(of: f64, among: f64) -> f64 {
    of / among
}
