//! Outages of Redis under load: it is killed and restarted, cut off, or frozen, many times. Loaders write entries and
//! send messages all the while and never give a request up.
//!
//! It proves that nothing acknowledged is lost, no request has two effects, no call hangs, and that work goes on soon
//! after Redis is back.

mod loader;
mod loader_acks;

use std::ops::Range;
use std::time::{Duration, Instant};

use serde::Serialize;
use shim_redis_harness::{Launch as RedisLaunch, Redis};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use self::loader::{Loader, Phase, RecoveryReport};
use self::loader_acks::LoaderAcks;
use crate::coordination::CoordinationClients;
use crate::proxy::Proxy;
use crate::rng::SeededRng;
use crate::service::{Launch, Service};
use crate::temp_env::TempEnv;

const LOADERS: usize = 16;
/// How long the loaders work between two outages.
const WORK_MICROS: Range<u64> = 20_000..200_000;
/// No call may take longer, whatever happens to Redis: the service gives up after one second.
pub const ANSWER_WITHIN: Duration = Duration::from_millis(1_500);
/// Work must go on this soon after Redis is back.
pub const RECOVERED_WITHIN: Duration = Duration::from_secs(2);
/// A service that has not recovered after this never will.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// What happens to Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// SIGKILL, and a restart on the same files.
    Kill,
    /// The network between the service and Redis is cut and healed.
    Cut,
    /// SIGSTOP and SIGCONT.
    Freeze,
}

/// When Redis brings its append-only file to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// Before it answers.
    Always,
    /// Once a second. While that goes on Redis answers before it has written at all (`flushAppendOnlyFile` puts the
    /// write off for up to two seconds), so that even a kill can cost what was just acknowledged.
    EverySecond,
    /// When the kernel likes. Every write is with the kernel before the answer: a kill costs nothing, a power loss may.
    Kernel,
}

impl Fsync {
    fn setting(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::EverySecond => "everysec",
            Self::Kernel => "no",
        }
    }
}

/// What to run.
#[derive(Debug, Clone)]
pub struct SuiteOptions {
    /// What happens.
    pub outage: Outage,
    /// How safe Redis is.
    pub fsync: Fsync,
    /// How often.
    pub times: u64,
    /// How long Redis is away each time, in milliseconds.
    pub away_millis: Range<u64>,
    /// Where all chance comes from.
    pub seed: u64,
}

/// What a run found.
#[derive(Debug, Default, Clone, Serialize)]
pub struct OutagesVerdict {
    /// Where all chance came from.
    pub seed: u64,
    /// Outages, each followed by work of every loader.
    pub outages: u64,
    /// Writes and messages that were answered with OK.
    pub acknowledged: u64,
    /// Broken: acknowledged writes and messages that are not there.
    pub lost: u64,
    /// Broken: messages that are there twice, and requests with two different answers.
    pub doubled: u64,
    /// Broken: loaders that ended with an unexpected answer.
    pub failed: u64,
    /// The longest that a call took to be answered, well or not.
    pub slowest_answer_ms: u64,
    /// From Redis being back to the first acknowledgement of a loader: the median over all loaders and outages.
    pub recovery_median_ms: u64,
    /// The longest recovery of any loader.
    pub recovery_max_ms: u64,
}

impl OutagesVerdict {
    /// Whether every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.failed == 0
            && u128::from(self.slowest_answer_ms) <= ANSWER_WITHIN.as_millis()
            && u128::from(self.recovery_max_ms) <= RECOVERED_WITHIN.as_millis()
    }
}

/// Runs the suite on a Redis of its own.
///
/// # Panics
/// If the service does not start or never recovers.
pub async fn run(settings: SuiteOptions) -> OutagesVerdict {
    let mut rng = SeededRng::new(settings.seed);
    let temp = TempEnv::new();
    let fsync = settings.fsync.setting();
    let mut redis = RedisLaunch::new().setting("appendfsync", fsync).start();
    let proxy = Proxy::to(&redis.address()).await;
    let launch = Launch::coordination(&temp.data_dir(), &proxy.redis_url());
    let service = launch.start_or_panic().await;

    let (phase, watched) = watch::channel(Phase::Work { back_at: None });
    let (recoveries, mut received) = mpsc::unbounded_channel();
    let mut loaders = JoinSet::new();
    for _ in 0..LOADERS {
        let loader = Loader::new(service.coordination(), watched.clone(), recoveries.clone());
        loaders.spawn(loader.work());
    }

    let mut verdict = OutagesVerdict {
        seed: settings.seed,
        ..OutagesVerdict::default()
    };
    let mut times = Vec::new();
    while verdict.outages < settings.times && verdict.failed == 0 {
        tokio::time::sleep(rng.micros(WORK_MICROS)).await;
        let away = Duration::from_millis(rng.within(settings.away_millis.clone()));
        inject_outage(settings.outage, &mut redis, &proxy, away).await;
        phase.send_replace(Phase::Work {
            back_at: Some(Instant::now()),
        });
        wait_for_recoveries(&mut received, &mut times, &mut verdict, &service).await;
        verdict.outages += 1;
    }
    phase.send_replace(Phase::Last);
    compare(loaders, service.coordination(), &mut verdict).await;
    times.sort_unstable();
    verdict.recovery_median_ms = times.get(times.len() / 2).map_or(0, millis);
    verdict.recovery_max_ms = times.last().map_or(0, millis);
    verdict
}

/// Takes Redis away for a while.
async fn inject_outage(outage: Outage, redis: &mut Redis, proxy: &Proxy, away: Duration) {
    match outage {
        Outage::Kill => {
            redis.kill();
            tokio::time::sleep(away).await;
            redis.restart();
        }
        Outage::Cut => {
            proxy.cut();
            tokio::time::sleep(away).await;
            proxy.heal();
        }
        Outage::Freeze => {
            redis.freeze();
            tokio::time::sleep(away).await;
            redis.thaw();
        }
    }
}

/// Waits until every loader got something acknowledged again, or until one has failed.
async fn wait_for_recoveries(
    received: &mut mpsc::UnboundedReceiver<RecoveryReport>,
    times: &mut Vec<Duration>,
    verdict: &mut OutagesVerdict,
    service: &Service,
) {
    let deadline = Instant::now() + RECOVERY_TIMEOUT;
    for _ in 0..LOADERS {
        match tokio::time::timeout_at(deadline.into(), received.recv()).await {
            Ok(Some(Ok(time))) => times.push(time),
            Ok(Some(Err(failure))) => {
                eprintln!("a loader failed: {failure}");
                verdict.failed += 1;
                return;
            }
            Ok(None) => return,
            Err(_) => panic!("the service did not recover\n{}", service.log()),
        }
    }
}

/// Holds Redis against what every loader was told.
async fn compare(
    loaders: JoinSet<LoaderAcks>,
    mut clients: CoordinationClients,
    verdict: &mut OutagesVerdict,
) {
    for mut acks in loaders.join_all().await {
        let slowest = millis(&acks.slowest);
        verdict.slowest_answer_ms = verdict.slowest_answer_ms.max(slowest);
        acks.compare(&mut clients, verdict).await;
    }
}

fn millis(duration: &Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
