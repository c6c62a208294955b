//! Freezes holders for longer than their locks live and, with Redlock, kills one lock node at a time.

use nix::sys::signal::Signal;
use shim_redis_harness::Nodes;

use crate::chaos::actor::Actor;
use crate::process;
use crate::rng::SeededRng;

/// Between two freezes, and for how long, in microseconds: from a blink to three lifetimes of a lock.
const INTERVAL_MICROS: std::ops::Range<u64> = 1_000..120_000;
const FREEZE_MICROS: std::ops::Range<u64> = 1_000..600_000;
/// With Redlock, one freeze in so many is a kill of a node instead.
const NODE_KILL_ODDS: u64 = 3;

/// What was done.
#[derive(Debug, Default)]
pub(super) struct FaultCounts {
    pub(super) freezes: u64,
    pub(super) node_kills: u64,
}

/// Goes on until all actors have left.
pub(super) async fn inject_faults(
    actors: &mut [Actor],
    nodes: Option<Nodes>,
    mut rng: SeededRng,
) -> FaultCounts {
    let mut faults = FaultCounts::default();
    let mut nodes = nodes;
    loop {
        let mut at_work = Vec::new();
        for actor in actors.iter_mut() {
            if !actor.has_exited() {
                at_work.extend(actor.pid());
            }
        }
        if at_work.is_empty() {
            return faults;
        }
        tokio::time::sleep(rng.micros(INTERVAL_MICROS)).await;
        match &mut nodes {
            Some(nodes) if rng.one_in(NODE_KILL_ODDS) => {
                let count = nodes.all().len() as u64;
                let victim = usize::try_from(rng.within(0..count)).unwrap_or_default();
                nodes.node(victim).kill();
                tokio::time::sleep(rng.micros(FREEZE_MICROS)).await;
                nodes.node(victim).restart();
                faults.node_kills += 1;
            }
            _ => {
                let victim = *rng.pick(&at_work);
                process::signal(victim, Signal::SIGSTOP);
                tokio::time::sleep(rng.micros(FREEZE_MICROS)).await;
                process::signal(victim, Signal::SIGCONT);
                faults.freezes += 1;
            }
        }
    }
}
