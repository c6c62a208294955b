//! The holders: processes that acquire locks, write an entry under the lock's fence and release, while a tormentor
//! freezes them for longer than their locks live and, with Redlock, kills lock nodes.
//!
//! Versions and fencing tokens come from one counter per namespace, so the answers alone tell the order of everything:
//! a write with token t at version v was in time exactly if no token of that lock lies between t and v.

mod fault_injector;
mod holder;
mod judge;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shim_redis_harness::{Nodes, Redis};
use tokio::sync::mpsc;

pub use holder::HolderArgs;
pub(super) use holder::run_holders;
pub use judge::HoldersVerdict;

use super::actor_args::ActorArgs;
use crate::chaos::actor::Actor;
use crate::rng::SeededRng;
use crate::service::{Launch, Service};
use crate::temp_env::TempEnv;

const PROCESSES: usize = 8;
const TASKS_PER_PROCESS: usize = 4;
const SERVICES: usize = 2;
/// How many locks they fight for.
const LOCKS: usize = 8;
/// How long a lock lives without renewal.
const TTL: Duration = Duration::from_millis(200);
/// Redlock nodes; one may be away at any time.
const NODES: usize = 3;

/// How to hold.
#[derive(Debug, Clone, Copy)]
pub struct SuiteOptions {
    /// Acquisitions, all processes together; rounded to a multiple of the tasks.
    pub acquisitions: u64,
    /// Locks over three independent nodes, one of them killed and restarted at random.
    pub redlock: bool,
    /// Where all chance comes from.
    pub seed: u64,
}

/// What a holder tells.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Event {
    /// It acquired the lock.
    Acquired { lock: usize, token: u64 },
    /// Its guarded write was accepted. `late` if the lock's time was up for certain before the write was sent.
    Wrote {
        lock: usize,
        token: u64,
        version: u64,
        late: bool,
    },
    /// Its guarded write was refused: the lock was lost.
    Refused { lock: usize, token: u64 },
}

/// Lets the holders work on a Redis of their own and judges what they tell.
///
/// # Panics
/// If the services do not start.
pub async fn run(settings: SuiteOptions) -> HoldersVerdict {
    let mut rng = SeededRng::new(settings.seed);
    let temp = TempEnv::new();
    let redis = Redis::start();
    let nodes = settings.redlock.then(|| Nodes::start(NODES));
    let services = start_services(&temp, &redis, nodes.as_ref()).await;
    let (reports, mut received) = mpsc::unbounded_channel::<Event>();
    let mut actors = start_holders(settings, &services, &mut rng, &reports);
    drop(reports);

    let start = std::time::Instant::now();
    let collect = async {
        let mut events = Vec::new();
        while let Some(event) = received.recv().await {
            events.push(event);
        }
        events
    };
    let injection =
        fault_injector::inject_faults(&mut actors, nodes, SeededRng::new(rng.next_u64()));
    let (events, faults) = tokio::join!(collect, injection);
    let mut verdict = judge::judge(&events);
    verdict.seed = settings.seed;
    verdict.freezes = faults.freezes;
    verdict.node_kills = faults.node_kills;
    verdict.seconds = start.elapsed().as_secs_f64();
    for actor in &mut actors {
        verdict.failed += u64::from(!actor.end().await.success());
    }
    verdict
}

async fn start_services(temp: &TempEnv, redis: &Redis, nodes: Option<&Nodes>) -> Vec<Service> {
    let mut launch = Launch::coordination(&temp.data_dir(), &redis.url());
    if let Some(nodes) = nodes {
        launch = launch.env("SHIM_COORDINATION_LOCK_NODES", &nodes.urls());
    }
    let mut services = Vec::new();
    for number in 0..SERVICES {
        let name = format!("holding-{number}");
        services.push(launch.clone().named(&name).start_or_panic().await);
    }
    services
}

fn start_holders(
    settings: SuiteOptions,
    services: &[Service],
    rng: &mut SeededRng,
    reports: &mpsc::UnboundedSender<Event>,
) -> Vec<Actor> {
    let tasks = (PROCESSES * TASKS_PER_PROCESS) as u64;
    let options = [
        format!("--locks={LOCKS}"),
        format!("--ttl-ms={}", TTL.as_millis()),
    ];
    (0..PROCESSES)
        .map(|_| {
            let actor_args = ActorArgs {
                sockets: services
                    .iter()
                    .map(|service| service.socket().into())
                    .collect(),
                tasks: TASKS_PER_PROCESS,
                times: settings.acquisitions.div_ceil(tasks),
                seed: rng.next_u64(),
            };
            let arguments = [actor_args.to_args(), options.to_vec()].concat();
            Actor::start("hold", &arguments, reports.clone())
        })
        .collect()
}
