//! Lanes: tasks that make one call after the other. Two sides with as many lanes each take turns.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::bench::figure::Figure;
use crate::bench::latency::Latencies;

const ROUNDS: usize = 5;
const TURN: Duration = Duration::from_millis(400);
const WARM_UP: Duration = Duration::from_millis(300);
/// What the service may add to a call that is alone.
const ADDED_MS: f64 = 0.4;

/// A task with things of its own, so that lanes do not wait for each other.
pub(super) trait Lane: Send + 'static {
    /// Makes the next call.
    fn call(&mut self) -> impl Future<Output = ()> + Send;
}

/// One turn of one side.
struct Turn {
    p50: f64,
    p99: f64,
    rate: f64,
}

/// Figures of `ours` beside `raw`: medians of the rounds.
pub(super) async fn compare<O: Lane, R: Lane>(
    name: &str,
    peer: &str,
    mut ours: Vec<O>,
    mut raw: Vec<R>,
) -> Vec<Figure> {
    let in_flight = ours.len();
    (raw, _) = turn(raw, WARM_UP).await;
    (ours, _) = turn(ours, WARM_UP).await;
    let (mut our_turns, mut raw_turns) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (lanes, measured) = turn(raw, TURN).await;
        raw = lanes;
        raw_turns.push(measured);
        let (lanes, measured) = turn(ours, TURN).await;
        ours = lanes;
        our_turns.push(measured);
    }
    figures(name, peer, in_flight, &our_turns, &raw_turns)
}

/// Every lane calls for `span`.
async fn turn<L: Lane>(lanes: Vec<L>, span: Duration) -> (Vec<L>, Turn) {
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
                latencies.note(called.elapsed());
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
        p50: all.percentile_ms(50),
        p99: all.percentile_ms(99),
        rate,
    };
    (lanes, turn)
}

fn figures(name: &str, peer: &str, in_flight: usize, ours: &[Turn], raw: &[Turn]) -> Vec<Figure> {
    let named = |what: &str| format!("{name}, {in_flight} in flight, {what}");
    let both = |value: fn(&Turn) -> f64| (median(ours, value), median(raw, value));
    let (p50, raw_p50) = both(|turn| turn.p50);
    let (p99, raw_p99) = both(|turn| turn.p99);
    let (rate, raw_rate) = both(|turn| turn.rate);
    let mut typical = Figure::new(named("p50"), p50, "ms").beside(peer, raw_p50);
    if in_flight == 1 {
        typical = typical.target("<= raw + 0.4 ms", p50 <= raw_p50 + ADDED_MS);
    }
    let mut throughput = Figure::new(named("calls"), rate, "1/s").beside(peer, raw_rate);
    if in_flight == 64 {
        throughput = throughput.target(">= 0.5x raw", rate >= 0.5 * raw_rate);
    }
    vec![
        typical,
        Figure::new(named("p99"), p99, "ms").beside(peer, raw_p99),
        throughput,
    ]
}

fn median(turns: &[Turn], value: fn(&Turn) -> f64) -> f64 {
    let mut values: Vec<f64> = turns.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
