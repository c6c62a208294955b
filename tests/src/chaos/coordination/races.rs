//! The race: 32 tasks in four processes count on one entry through two services, by compare-and-set. A counter that
//! ends at the exact number shows that no write was lost and none was made twice.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::{Code, Status};

use super::actor_args::ActorArgs;
use crate::chaos::actor::{Actor, report};
use crate::coordination::{CoordinationClients, NAMESPACE, count, counted, put, reason};
use crate::rng::SeededRng;
use crate::service::{Launch, Service};
use crate::temp_env::TempEnv;
use shim_redis_harness::Redis;
use shim_runtime::client::{Endpoint, connect};

const PROCESSES: usize = 4;
const TASKS_PER_PROCESS: usize = 8;
const SERVICES: usize = 2;
const KEY: &str = "counter";
/// One write in so many is sent twice at the same moment.
const TWIN_ODDS: u64 = 16;
/// Losers of a race step back for up to this, so that one of them wins the next.
const BACKOFF_MICROS: u64 = 4_000;

/// How to race.
#[derive(Debug, Clone, Copy)]
pub struct SuiteOptions {
    /// How often each task counts.
    pub times: u64,
    /// Where all chance comes from.
    pub seed: u64,
}

/// What a race came to.
#[derive(Debug, Default, Clone, Serialize)]
pub struct RacesVerdict {
    /// Where all chance came from.
    pub seed: u64,
    /// Compare-and-sets that were answered with OK.
    pub acknowledged: u64,
    /// Writes that were refused because another process was faster.
    pub lost_races: u64,
    /// What the counter says in the end.
    pub counted: u64,
    /// What it must say.
    pub expected: u64,
    /// Requests sent twice at once whose two answers differed.
    pub unequal_twins: u64,
    /// Processes that ended with an unexpected answer.
    pub failed: u64,
    /// How long it took.
    pub seconds: f64,
}

impl RacesVerdict {
    /// Whether nothing was lost and nothing doubled.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.counted == self.expected
            && self.acknowledged == self.expected
            && self.unequal_twins + self.failed == 0
    }
}

/// Runs a race on a Redis of its own.
///
/// # Panics
/// If the services do not start, or the counter cannot be read.
pub async fn run(settings: SuiteOptions) -> RacesVerdict {
    let temp = TempEnv::new();
    let redis = Redis::start();
    let launch = Launch::coordination(&temp.data_dir(), &redis.url());
    let mut services: Vec<Service> = Vec::new();
    for number in 0..SERVICES {
        services.push(
            launch
                .clone()
                .named(&format!("racing-{number}"))
                .start_or_panic()
                .await,
        );
    }
    let mut clients = services[0].coordination();
    clients
        .put(put(KEY, counted(0), Some(0)))
        .await
        .expect("the counter is new");

    let start = std::time::Instant::now();
    let mut verdict = race_processes(settings, &services).await;
    verdict.seconds = start.elapsed().as_secs_f64();
    let entry = clients.get(NAMESPACE, KEY).await;
    verdict.counted = count(&entry.expect("the counter is there")).unwrap_or_default();
    verdict
}

async fn race_processes(settings: SuiteOptions, services: &[Service]) -> RacesVerdict {
    let mut rng = SeededRng::new(settings.seed);
    let (reports, mut received) = mpsc::unbounded_channel::<RaceCounts>();
    let mut actors: Vec<Actor> = (0..PROCESSES)
        .map(|_| {
            let actor_args = ActorArgs {
                sockets: services
                    .iter()
                    .map(|service| service.socket().into())
                    .collect(),
                tasks: TASKS_PER_PROCESS,
                times: settings.times,
                seed: rng.next_u64(),
            };
            Actor::start("race", &actor_args.to_args(), reports.clone())
        })
        .collect();
    drop(reports);
    let mut verdict = RacesVerdict {
        seed: settings.seed,
        expected: settings.times * (PROCESSES * TASKS_PER_PROCESS) as u64,
        ..RacesVerdict::default()
    };
    while let Some(counts) = received.recv().await {
        verdict.acknowledged += counts.acknowledged;
        verdict.lost_races += counts.lost_races;
        verdict.unequal_twins += counts.unequal_twins;
    }
    for actor in &mut actors {
        verdict.failed += u64::from(!actor.end().await.success());
    }
    verdict
}

/// What a racing process is told.
#[derive(Debug, Clone, clap::Args)]
pub struct RacerArgs {
    #[command(flatten)]
    actor_args: ActorArgs,
}

/// What a racing process did.
#[derive(Debug, Default, Serialize, Deserialize)]
struct RaceCounts {
    acknowledged: u64,
    lost_races: u64,
    unequal_twins: u64,
}

/// A racing process.
pub(super) async fn run_racers(args: RacerArgs) -> Result<(), Status> {
    let actor_args = args.actor_args;
    let mut rng = SeededRng::new(actor_args.seed);
    let mut racers = JoinSet::new();
    for task in 0..actor_args.tasks {
        let socket = &actor_args.sockets[task % actor_args.sockets.len()];
        let channel = connect(&Endpoint::Unix(socket.clone()), None)
            .map_err(|e| Status::internal(e.to_string()))?;
        let racer = Racer {
            clients: CoordinationClients::over(&channel),
            rng: SeededRng::new(rng.next_u64()),
            counts: RaceCounts::default(),
        };
        racers.spawn(racer.run(actor_args.times));
    }
    while let Some(racer) = racers.join_next().await {
        report(&racer.expect("a racer does not panic")?);
    }
    Ok(())
}

struct Racer {
    clients: CoordinationClients,
    rng: SeededRng,
    counts: RaceCounts,
}

impl Racer {
    async fn run(mut self, times: u64) -> Result<RaceCounts, Status> {
        for _ in 0..times {
            while !self.count_once().await? {
                self.counts.lost_races += 1;
                let backoff = self.rng.within(0..BACKOFF_MICROS);
                tokio::time::sleep(Duration::from_micros(backoff)).await;
            }
            self.counts.acknowledged += 1;
        }
        Ok(self.counts)
    }

    /// Reads and writes one more, unless another process wrote in between.
    async fn count_once(&mut self) -> Result<bool, Status> {
        let entry = self.clients.get(NAMESPACE, KEY).await?;
        let next = count(&entry).ok_or_else(|| Status::data_loss("the counter is no number"))? + 1;
        let request = put(KEY, counted(next), Some(entry.version));
        let outcome = if self.rng.one_in(TWIN_ODDS) {
            let (mut one, mut other) = (self.clients.clone(), self.clients.clone());
            let (one, other) = tokio::join!(one.put(request.clone()), other.put(request));
            if one.as_ref().ok() != other.as_ref().ok() {
                self.counts.unequal_twins += 1;
            }
            one
        } else {
            self.clients.put(request).await
        };
        match outcome {
            Ok(_) => Ok(true),
            Err(refusal)
                if refusal.code() == Code::Aborted && reason(&refusal) == "VERSION_MISMATCH" =>
            {
                Ok(false)
            }
            Err(refusal) => Err(refusal),
        }
    }
}
