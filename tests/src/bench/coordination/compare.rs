//! The service's lanes beside as many of the peer's, in turns.

use std::time::Duration;

use crate::bench::figure::Figure;
use crate::bench::lane::{Lane, Turn, median, turn};

const ROUNDS: usize = 5;
const TURN: Duration = Duration::from_millis(400);
const WARM_UP: Duration = Duration::from_millis(300);
/// What the service may add to a call that is alone.
const ADDED_MS: f64 = 0.4;

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
