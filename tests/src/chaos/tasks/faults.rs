//! What is done to workers, services and Redis: killed and brought back, frozen and let go on, each at moments of its own.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shim_redis_harness::Redis;

use super::crew::Hand;
use super::house::Server;
use super::restart::Kills;
use crate::dice::Dice;

/// A process that can be taken away.
pub(super) trait Victim {
    /// What it is called in the verdict.
    fn kind(&self) -> &'static str;

    fn kill(&mut self) -> impl Future<Output = ()> + Send;
    fn bring_back(&mut self);
    fn freeze(&self);
    fn thaw(&self);

    /// Its id in the registry, if it is a worker.
    fn worker_id(&self) -> Option<String> {
        None
    }

    /// What it said, if it left though nobody killed it; then it must be brought back.
    fn left(&mut self) -> Option<String>;
}

/// How a victim is treated, in shares of the time after which workers are dead.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// Between two faults.
    pub(super) pause: Range<f64>,
    /// From a kill until it is back.
    pub(super) away: Range<f64>,
    pub(super) frozen: Range<f64>,
}

impl Pace {
    /// Workers are taken for dead while they are frozen.
    pub(super) const HAND: Self = Self {
        pause: 0.2..8.0,
        away: 0.0..0.1,
        frozen: 1.05..1.6,
    };
    pub(super) const WORKERS: Self = Self {
        pause: 0.1..1.0,
        away: 0.0..0.3,
        frozen: 1.05..1.5,
    };
    pub(super) const COORDINATION: Self = Self {
        pause: 0.1..1.5,
        away: 0.0..0.3,
        frozen: 0.1..1.5,
    };
    pub(super) const REDIS: Self = Self {
        pause: 0.1..0.4,
        away: 0.002..0.3,
        frozen: 0.1..1.2,
    };
}

/// What was done, and to whom.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) victim: &'static str,
    pub(super) is_kill: bool,
    pub(super) worker_id: Option<String>,
    pub(super) at_ms: u64,
}

/// All that was done.
#[derive(Debug, Default)]
pub(super) struct Harm {
    pub(super) faults: Vec<Fault>,
    /// Those who left by themselves.
    pub(super) left: Vec<&'static str>,
}

impl Harm {
    pub(super) fn add(&mut self, other: Self) {
        self.faults.extend(other.faults);
        self.left.extend(other.left);
    }

    /// How often what was done to whom.
    pub(super) fn by_kind(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for fault in &self.faults {
            let how = if fault.is_kill { "killed" } else { "frozen" };
            *counts.entry(format!("{} {how}", fault.victim)).or_default() += 1;
        }
        counts
    }

    /// The workers that were killed, and when last.
    pub(super) fn kills_of_workers(&self) -> Kills {
        let kills = self.faults.iter().filter(|fault| fault.is_kill);
        kills
            .filter_map(|fault| Some((fault.worker_id.clone()?, fault.at_ms)))
            .collect()
    }
}

/// What is done to a victim.
#[derive(Debug, Clone)]
pub(super) struct Torment {
    /// How often it is killed, and how often frozen.
    pub(super) times: u64,
    pub(super) pace: Pace,
    pub(super) dead_after: Duration,
    pub(super) dice: Dice,
}

/// Does it to each of some victims, whatever happens to the others.
pub(super) async fn torment_each<V>(victims: &mut Vec<V>, mut torment_of_one: Torment) -> Harm
where
    V: Victim + Send + 'static,
{
    let mut all = Vec::new();
    for mut victim in std::mem::take(victims) {
        let own = Torment {
            dice: Dice::new(torment_of_one.dice.roll()),
            ..torment_of_one.clone()
        };
        all.push(tokio::spawn(async move {
            let harm = torment(&mut victim, own).await;
            (victim, harm)
        }));
    }
    let mut harm = Harm::default();
    for one in all {
        let (victim, done) = one.await.expect("tormenting does not panic");
        victims.push(victim);
        harm.add(done);
    }
    harm
}

/// Kills and freezes a victim in random order. It runs in the end.
pub(super) async fn torment(victim: &mut impl Victim, torment: Torment) -> Harm {
    let Torment {
        times,
        pace,
        dead_after,
        mut dice,
    } = torment;
    let mut harm = Harm::default();
    let (mut kills, mut freezes) = (times, times);
    while kills + freezes > 0 {
        rest(&mut dice, &pace.pause, dead_after).await;
        if let Some(said) = victim.left() {
            eprintln!("{} left by itself: {said}", victim.kind());
            harm.left.push(victim.kind());
            victim.bring_back();
        }
        let is_kill = dice.within(0..kills + freezes) < kills;
        harm.faults.push(Fault {
            victim: victim.kind(),
            is_kill,
            worker_id: victim.worker_id(),
            at_ms: now_ms(),
        });
        if is_kill {
            kills -= 1;
            victim.kill().await;
            rest(&mut dice, &pace.away, dead_after).await;
            victim.bring_back();
        } else {
            freezes -= 1;
            victim.freeze();
            rest(&mut dice, &pace.frozen, dead_after).await;
            victim.thaw();
        }
    }
    harm
}

async fn rest(dice: &mut Dice, shares: &Range<f64>, of: Duration) {
    let micros = |share: f64| u64::try_from(of.mul_f64(share).as_micros()).unwrap_or(u64::MAX);
    tokio::time::sleep(dice.micros(micros(shares.start)..micros(shares.end))).await;
}

/// The time as Redis tells it on the same machine.
pub(super) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

impl Victim for Hand {
    fn kind(&self) -> &'static str {
        "worker outside"
    }

    async fn kill(&mut self) {
        Self::kill(self).await;
    }

    fn bring_back(&mut self) {
        self.replace_or_return();
    }

    fn freeze(&self) {
        Self::freeze(self);
    }

    fn thaw(&self) {
        Self::thaw(self);
    }

    fn worker_id(&self) -> Option<String> {
        Some(Self::worker_id(self).to_owned())
    }

    fn left(&mut self) -> Option<String> {
        self.is_gone().then(|| "left; see above".to_owned())
    }
}

impl Victim for Server {
    fn kind(&self) -> &'static str {
        self.subcommand()
    }

    async fn kill(&mut self) {
        Self::kill(self);
    }

    fn bring_back(&mut self) {
        self.restart();
    }

    fn freeze(&self) {
        Self::freeze(self);
    }

    fn thaw(&self) {
        Self::thaw(self);
    }

    fn left(&mut self) -> Option<String> {
        Self::left(self)
    }
}

impl Victim for Redis {
    fn kind(&self) -> &'static str {
        "Redis"
    }

    async fn kill(&mut self) {
        Self::kill(self);
    }

    fn bring_back(&mut self) {
        self.restart();
    }

    fn freeze(&self) {
        Self::freeze(self);
    }

    fn thaw(&self) {
        Self::thaw(self);
    }

    fn left(&mut self) -> Option<String> {
        None
    }
}
