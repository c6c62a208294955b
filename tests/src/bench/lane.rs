//! Lanes: tasks that make one call after the other. Sides with as many lanes each take turns.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::latency::Latencies;

/// A task with things of its own, so that lanes do not wait for each other.
pub(super) trait Lane: Send + 'static {
    /// Makes the next call.
    fn call(&mut self) -> impl Future<Output = ()> + Send;
}

/// One turn of one side: its latencies in milliseconds, its calls, and how many a second.
pub(super) struct Turn {
    pub(super) calls: u64,
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) rate: f64,
}

/// Every lane calls for `span`.
pub(super) async fn turn<L: Lane>(lanes: Vec<L>, span: Duration) -> (Vec<L>, Turn) {
    let start = Instant::now();
    let mut running = JoinSet::new();
    for mut lane in lanes {
        running.spawn(async move {
            let mut latencies = Latencies::default();
            loop {
                let called = Instant::now();
                if called.duration_since(start) >= span {
                    return (lane, latencies);
                }
                lane.call().await;
                latencies.record(called.elapsed());
            }
        });
    }
    let mut all = Latencies::default();
    let mut lanes = Vec::new();
    for (lane, latencies) in running.join_all().await {
        lanes.push(lane);
        all.extend(latencies);
    }
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let rate = all.count() as f64 / start.elapsed().as_secs_f64();
    let turn = Turn {
        calls: all.count() as u64,
        p50: all.percentile_ms(50),
        p99: all.percentile_ms(99),
        rate,
    };
    (lanes, turn)
}

/// The median over all turns.
pub(super) fn median(turns: &[Turn], value: fn(&Turn) -> f64) -> f64 {
    let mut values: Vec<f64> = turns.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
