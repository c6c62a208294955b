//! What each side of the comparison yields, and how two sides are set beside each other. Sides take turns, so that
//! whatever else the machine does hits all of them.

use crate::bench::figure::Figure;
use crate::bench::latency::Latencies;

/// Jobs of one turn.
pub(super) const JOBS: usize = 5_000;
/// Jobs processed at once.
pub(super) const CONCURRENCY: usize = 50;
/// Jobs a peer submits at once.
pub(super) const BATCH: usize = 1_000;
/// Round trips of one turn.
pub(super) const TRIPS: usize = 100;
/// Before each round trip: by then the worker waits again.
pub(super) const PAUSE_MS: u64 = 3;

/// One turn: all jobs submitted, then all processed.
#[derive(Debug, Clone, Copy)]
pub(super) struct TaskTurn {
    pub(super) submit_s: f64,
    pub(super) process_s: f64,
}

/// Round trips of one job with an idle worker, from the call that submits it.
#[derive(Debug, Default)]
pub(super) struct Trips {
    /// Until the worker has it.
    pub(super) start: Latencies,
    /// Until the submitter knows the result.
    pub(super) result: Latencies,
}

impl Trips {
    pub(super) fn extend(&mut self, others: Self) {
        self.start.extend(others.start);
        self.result.extend(others.result);
    }
}

/// The part of a turn that is looked at.
type Seconds = fn(&TaskTurn) -> f64;

/// What is read out of the turns, in jobs per second.
const RATES: [(&str, Seconds); 3] = [
    ("submitted", |turn| turn.submit_s),
    ("processed", |turn| turn.process_s),
    ("submitted and processed", |turn| {
        turn.submit_s + turn.process_s
    }),
];

/// Medians of our turns beside the peer's; of all jobs per second through both halves at least `share` of the peer's
/// is to be reached.
pub(super) fn throughput(
    name: &str,
    peer: &str,
    share: f64,
    ours: &[TaskTurn],
    theirs: &[TaskTurn],
) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (what, seconds) in RATES {
        let (rate, peer_rate) = (median(ours, seconds), median(theirs, seconds));
        let name = format!("{name} {what}, beside {peer}");
        let mut figure = Figure::new(name, rate, "1/s").beside(peer, peer_rate);
        if what == "submitted and processed" {
            figure = figure.target(&format!(">= {share}x"), rate >= share * peer_rate);
        }
        figures.push(figure);
    }
    figures
}

/// What of Node's rate is to be reached: where the disk does not bound both sides, its single process has the advantage.
pub(super) fn goal(peer: &str, appendfsync: &str) -> Option<f64> {
    (peer == "Node bullmq" && appendfsync == "everysec").then_some(0.7)
}

/// The median rate of jobs.
fn median(turns: &[TaskTurn], seconds: Seconds) -> f64 {
    let mut values: Vec<f64> = turns.iter().map(seconds).collect();
    values.sort_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let jobs = JOBS as f64;
    jobs / values[values.len() / 2]
}

/// Our round trips beside the peer's.
pub(super) fn latency(peer: &str, ours: &mut Trips, theirs: &mut Trips) -> Vec<Figure> {
    let mut figures = Vec::new();
    let sides = [
        ("start", &mut ours.start, &mut theirs.start),
        ("result", &mut ours.result, &mut theirs.result),
    ];
    for (what, ours, theirs) in sides {
        for percent in [50, 99] {
            let name = format!("submit to {what} with an idle worker, p{percent}, beside {peer}");
            let figure = Figure::new(name, ours.percentile_ms(percent), "ms");
            let mut figure = figure.beside(peer, theirs.percentile_ms(percent));
            if let ("Node bullmq", 50) = (peer, percent) {
                let share = if what == "start" { 1.5 } else { 2.0 };
                let met = figure.ratio.is_some_and(|ratio| ratio <= share);
                figure = figure.target(&format!("<= {share}x"), met);
            }
            figures.push(figure);
        }
    }
    figures
}
