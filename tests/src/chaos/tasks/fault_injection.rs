//! What is done to workers, services and Redis: killed and brought back, frozen and let go on, each at moments of its own.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shim_redis_harness::Redis;

use super::external_workers::ExternalWorker;
use super::restart::Kills;
use super::test_stack::TestService;
use crate::rng::SeededRng;

/// A process that can be taken away.
pub(super) trait FaultTarget {
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

    /// Its log, if it ended without being killed; then it must be started again.
    fn exit_report(&mut self) -> Option<String>;
}

/// How a victim is treated, in shares of the time after which workers are dead.
#[derive(Debug, Clone)]
pub(super) struct FaultPacing {
    /// Between two faults.
    pub(super) pause: Range<f64>,
    /// From a kill until it is back.
    pub(super) downtime: Range<f64>,
    pub(super) frozen: Range<f64>,
}

impl FaultPacing {
    /// Workers are taken for dead while they are frozen.
    pub(super) const EXTERNAL_WORKER: Self = Self {
        pause: 0.2..8.0,
        downtime: 0.0..0.1,
        frozen: 1.05..1.6,
    };
    pub(super) const WORKERS: Self = Self {
        pause: 0.1..1.0,
        downtime: 0.0..0.3,
        frozen: 1.05..1.5,
    };
    pub(super) const COORDINATION: Self = Self {
        pause: 0.1..1.5,
        downtime: 0.0..0.3,
        frozen: 0.1..1.5,
    };
    pub(super) const REDIS: Self = Self {
        pause: 0.1..0.4,
        downtime: 0.002..0.3,
        frozen: 0.1..1.2,
    };
}

/// What was done, and to whom.
#[derive(Debug, Clone)]
pub(super) struct InjectedFault {
    pub(super) target: &'static str,
    pub(super) is_kill: bool,
    pub(super) worker_id: Option<String>,
    pub(super) at_ms: u64,
}

/// All that was done.
#[derive(Debug, Default)]
pub(super) struct FaultLog {
    pub(super) faults: Vec<InjectedFault>,
    /// Processes that ended without being killed.
    pub(super) exited: Vec<&'static str>,
}

impl FaultLog {
    pub(super) fn add(&mut self, other: Self) {
        self.faults.extend(other.faults);
        self.exited.extend(other.exited);
    }

    /// How often what was done to whom.
    pub(super) fn by_kind(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for fault in &self.faults {
            let how = if fault.is_kill { "killed" } else { "frozen" };
            *counts.entry(format!("{} {how}", fault.target)).or_default() += 1;
        }
        counts
    }

    /// The workers that were killed, and when last.
    pub(super) fn worker_kills(&self) -> Kills {
        let kills = self.faults.iter().filter(|fault| fault.is_kill);
        kills
            .filter_map(|fault| Some((fault.worker_id.clone()?, fault.at_ms)))
            .collect()
    }
}

/// What is done to a victim.
#[derive(Debug, Clone)]
pub(super) struct FaultPlan {
    /// How often it is killed, and how often frozen.
    pub(super) times: u64,
    pub(super) pacing: FaultPacing,
    pub(super) dead_after: Duration,
    pub(super) rng: SeededRng,
}

/// Does it to each of some victims, whatever happens to the others.
pub(super) async fn inject_faults_each<V>(targets: &mut Vec<V>, mut plan: FaultPlan) -> FaultLog
where
    V: FaultTarget + Send + 'static,
{
    let mut all = Vec::new();
    for mut target in std::mem::take(targets) {
        let own = FaultPlan {
            rng: SeededRng::new(plan.rng.next_u64()),
            ..plan.clone()
        };
        all.push(tokio::spawn(async move {
            let fault_log = inject_faults(&mut target, own).await;
            (target, fault_log)
        }));
    }
    let mut fault_log = FaultLog::default();
    for one in all {
        let (target, done) = one.await.expect("injecting faults does not panic");
        targets.push(target);
        fault_log.add(done);
    }
    fault_log
}

/// Kills and freezes a victim in random order. It runs in the end.
pub(super) async fn inject_faults(target: &mut impl FaultTarget, plan: FaultPlan) -> FaultLog {
    let FaultPlan {
        times,
        pacing,
        dead_after,
        mut rng,
    } = plan;
    let mut fault_log = FaultLog::default();
    let (mut kills, mut freezes) = (times, times);
    while kills + freezes > 0 {
        sleep_share(&mut rng, &pacing.pause, dead_after).await;
        if let Some(said) = target.exit_report() {
            eprintln!("{} left by itself: {said}", target.kind());
            fault_log.exited.push(target.kind());
            target.bring_back();
        }
        let is_kill = rng.within(0..kills + freezes) < kills;
        fault_log.faults.push(InjectedFault {
            target: target.kind(),
            is_kill,
            worker_id: target.worker_id(),
            at_ms: now_ms(),
        });
        if is_kill {
            kills -= 1;
            target.kill().await;
            sleep_share(&mut rng, &pacing.downtime, dead_after).await;
            target.bring_back();
        } else {
            freezes -= 1;
            target.freeze();
            sleep_share(&mut rng, &pacing.frozen, dead_after).await;
            target.thaw();
        }
    }
    fault_log
}

async fn sleep_share(rng: &mut SeededRng, shares: &Range<f64>, of: Duration) {
    let micros = |share: f64| u64::try_from(of.mul_f64(share).as_micros()).unwrap_or(u64::MAX);
    tokio::time::sleep(rng.micros(micros(shares.start)..micros(shares.end))).await;
}

/// The time as Redis tells it on the same machine.
pub(super) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

impl FaultTarget for ExternalWorker {
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

    fn exit_report(&mut self) -> Option<String> {
        self.has_exited().then(|| "left; see above".to_owned())
    }
}

impl FaultTarget for TestService {
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

    fn exit_report(&mut self) -> Option<String> {
        Self::exit_report(self)
    }
}

impl FaultTarget for Redis {
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

    fn exit_report(&mut self) -> Option<String> {
        None
    }
}
