//! Jobs whose parts grow in number, and a queue that grows; both loaded in batches, so that the harness holds little.

use std::time::{Duration, Instant};

use shim_redis_harness::Redis;

use super::{Curve, count, sizes};
use crate::bench::latency::Latencies;
use crate::bench::tasks::{submit_all, used_memory};
use crate::service::Launch;
use crate::tasks::{job, subtask};
use crate::temp_env::TempEnv;

const PARTS: [usize; 4] = [10, 100, 1_000, 10_000];
const QUEUED: [usize; 6] = [10, 100, 1_000, 10_000, 100_000, 1_000_000];
const BATCH: usize = 10_000;
const CLAIMS: usize = 30;
const WAIT: Duration = Duration::from_secs(10);

pub(super) async fn parts(largest: usize, progress: &impl Fn(&str)) -> Curve {
    let costs = [
        ("submit the job", "ms"),
        ("submit, per part", "us"),
        ("Redis, per part", "bytes"),
    ];
    let mut curve = Curve::new("parts", "parts of a job", &costs);
    let temp = TempEnv::new();
    let redis = Redis::start();
    let service = Launch::stack(&temp.data_dir(), &redis.unix_url())
        .start_or_panic()
        .await;
    for size in sizes(&PARTS, largest) {
        progress(&format!("a job of {size} parts"));
        let mut request = job("a job of many parts");
        request.subtasks = (0..size)
            .map(|part| subtask(&format!("part {part}"), &[]))
            .collect();
        let before = used_memory(&redis);
        let start = Instant::now();
        // The contract bounds the parts of one job; the curve ends there.
        let Ok(_) = service.tasks().submit(request).await else {
            progress(&format!("a job of {size} parts is refused"));
            break;
        };
        let ms = start.elapsed().as_secs_f64() * 1e3;
        let bytes = (used_memory(&redis) - before) / count(size);
        curve.add(size, &[ms, ms * 1e3 / count(size), bytes]);
    }
    curve
}

pub(super) async fn queue(largest: usize, progress: &impl Fn(&str)) -> Curve {
    let costs = [
        ("submitted", "1/s"),
        ("claim and complete, p50", "ms"),
        ("Redis, per task", "bytes"),
        ("memory of the stack", "MiB"),
    ];
    let mut curve = Curve::new("queue", "tasks that wait", &costs);
    let temp = TempEnv::new();
    let redis = Redis::start();
    let service = Launch::stack(&temp.data_dir(), &redis.unix_url())
        .start_or_panic()
        .await;
    let mut clients = service.tasks();
    let empty = used_memory(&redis);
    let mut queued = 0;
    for size in sizes(&QUEUED, largest) {
        progress(&format!("{size} waiting tasks"));
        let (start, more) = (Instant::now(), size - queued);
        while queued < size {
            let batch = BATCH.min(size - queued);
            submit_all(&service, batch, |number| job(&format!("job {number}"))).await;
            queued += batch;
        }
        let rate = count(more) / start.elapsed().as_secs_f64();
        let bytes = (used_memory(&redis) - empty) / count(size);
        let mut trips = Latencies::default();
        // A worker that is silent while the queue is filled would be taken for dead.
        let worker = clients
            .register("a worker", 1)
            .await
            .expect("a worker is registered");
        for _ in 0..CLAIMS.min(size / 2) {
            let start = Instant::now();
            let claim = clients
                .claim(&worker, WAIT)
                .await
                .expect("tasks are given out");
            clients
                .complete(&claim.expect("a task waits"), "")
                .await
                .expect("the claim stands");
            trips.record(start.elapsed());
            queued -= 1;
        }
        #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
        let mib = service.resident_bytes() as f64 / 1024.0 / 1024.0;
        curve.add(size, &[rate, trips.percentile_ms(50), bytes, mib]);
    }
    curve
}
