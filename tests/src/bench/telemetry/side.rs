//! One of those that are compared: its turns, and what its service computed in them.

use std::time::Duration;

use super::super::lane::{Turn, median, turn};
use super::super::machine;
use super::bench_client::{BenchClient, Call};
use crate::service::Service;

pub(super) struct Side {
    pid: u32,
    lanes: Vec<BenchClient>,
    turns: Vec<Turn>,
    /// User and kernel together, in all turns.
    cpu: Duration,
}

impl Side {
    pub(super) async fn new(call: Call, service: &Service, in_flight: usize) -> Self {
        Self {
            pid: service.pid(),
            lanes: BenchClient::several(call, service, in_flight).await,
            turns: Vec::new(),
            cpu: Duration::ZERO,
        }
    }

    pub(super) async fn turn(&mut self, span: Duration) {
        let before = machine::cpu_time(self.pid);
        let (lanes, measured) = turn(std::mem::take(&mut self.lanes), span).await;
        self.cpu += machine::cpu_time(self.pid) - before;
        self.lanes = lanes;
        self.turns.push(measured);
    }

    /// In milliseconds.
    pub(super) fn p50(&self) -> f64 {
        median(&self.turns, |turn| turn.p50)
    }

    /// Calls a second.
    pub(super) fn rate(&self) -> f64 {
        median(&self.turns, |turn| turn.rate)
    }

    /// Calls for each of the other's, in the median of the rounds: turns of one round are seconds apart and meet the
    /// same machine, those of different rounds may not.
    pub(super) fn throughput_beside(&self, other: &Self) -> f64 {
        let rounds = self.turns.iter().zip(&other.turns);
        let mut shares: Vec<f64> = rounds
            .map(|(ours, theirs)| ours.rate / theirs.rate)
            .collect();
        shares.sort_by(f64::total_cmp);
        shares[shares.len() / 2]
    }

    /// In microseconds.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(super) fn cpu_per_call(&self) -> f64 {
        let calls: u64 = self.turns.iter().map(|turn| turn.calls).sum();
        self.cpu.as_secs_f64() * 1e6 / calls as f64
    }
}
