//! The race for a task: eight processes wait for one task at two services, again and again. Exactly one of them gets it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tonic::Status;

use super::house::{House, sockets};
use crate::chaos::actor::{Actor, report};
use crate::coordination::reason;
use crate::tasks::{Claim, TaskClients, job};

const CLAIMERS: usize = 8;
/// Nobody is frozen here, so nobody is to be taken for dead on a busy machine.
const DEAD_AFTER: Duration = Duration::from_secs(60);
const WAIT: Duration = Duration::from_secs(20);
/// A task that nobody got by now is lost.
const PATIENCE: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How to race.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How many tasks are raced for, one after the other.
    pub times: u64,
}

/// What the races came to.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Verdict {
    /// Tasks that were raced for.
    pub races: u64,
    /// Broken: tasks that two got.
    pub two_winners: u64,
    /// Broken: tasks that nobody got.
    pub no_winner: u64,
    /// Broken: tokens that were given twice.
    pub repeated_tokens: u64,
    /// Broken: tasks that their winner could not complete.
    pub not_completed: u64,
    /// How many tasks each claimer got.
    pub wins: Vec<u64>,
    /// How long it took.
    pub seconds: f64,
}

impl Verdict {
    /// Whether each task had exactly one winner.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.two_winners + self.no_winner + self.repeated_tokens + self.not_completed == 0
    }
}

/// What a claimer is told.
#[derive(Debug, Clone, clap::Args)]
pub struct Claiming {
    /// The socket of a worker service.
    #[arg(long)]
    worker: PathBuf,
    /// The socket of a coordination service.
    #[arg(long)]
    coordination: PathBuf,
    /// Its number.
    #[arg(long)]
    number: usize,
}

/// What a claimer tells.
#[derive(Debug, Serialize, Deserialize)]
enum Told {
    /// It is known to the registry and waits for its first task.
    Ready,
    /// It got a task.
    Won {
        number: usize,
        task: String,
        lease: u64,
    },
    /// It completed the task.
    Completed(String),
}

/// Lets the claimers race on a Redis of their own.
///
/// # Errors
/// As the services answer the submitter.
///
/// # Panics
/// If the services or the claimers do not start.
pub async fn run(settings: Settings) -> Result<Verdict, Status> {
    let house = House::start(DEAD_AFTER, false).await;
    let (reports, mut told) = mpsc::unbounded_channel();
    let (workers, coordination) = (sockets(&house.workers), sockets(&house.coordination));
    let start_one = |number: usize| {
        let options = [
            format!("--worker={}", workers[number % workers.len()].display()),
            format!(
                "--coordination={}",
                coordination[number % coordination.len()].display()
            ),
            format!("--number={number}"),
        ];
        Actor::start("claim", &options, reports.clone())
    };
    let _claimers: Vec<Actor> = (0..CLAIMERS).map(start_one).collect();
    for _ in 0..CLAIMERS {
        let first = told.recv().await;
        assert!(matches!(first, Some(Told::Ready)), "{first:?}");
    }
    let start = Instant::now();
    let mut races = Races::default();
    let mut clients = house.coordination[0].service().tasks();
    for _ in 0..settings.times {
        let submitted = clients.submit(job("race for this")).await?;
        let task = submitted.task.map(|task| task.task_id).unwrap_or_default();
        races.one(&task, &mut told).await;
    }
    Ok(Verdict {
        seconds: start.elapsed().as_secs_f64(),
        ..races.verdict()
    })
}

#[derive(Default)]
struct Races {
    submitted: u64,
    winners: BTreeMap<String, Vec<usize>>,
    tokens: Vec<u64>,
    completed: BTreeSet<String>,
}

impl Races {
    /// Waits until the winner is done; a second one may tell of itself in any later race.
    async fn one(&mut self, task: &str, told: &mut UnboundedReceiver<Told>) {
        self.submitted += 1;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !self.completed.contains(task) {
            match tokio::time::timeout_at(deadline, told.recv()).await {
                Ok(Some(Told::Won {
                    number,
                    task,
                    lease,
                })) => {
                    self.winners.entry(task).or_default().push(number);
                    self.tokens.push(lease);
                }
                Ok(Some(Told::Completed(task))) => {
                    self.completed.insert(task);
                }
                Ok(Some(Told::Ready)) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn verdict(self) -> Verdict {
        let mut wins = vec![0; CLAIMERS];
        for winner in self.winners.values().flatten() {
            wins[*winner] += 1;
        }
        let doubles = self.winners.values().filter(|winners| winners.len() > 1);
        let tokens: BTreeSet<_> = self.tokens.iter().collect();
        Verdict {
            races: self.submitted,
            two_winners: doubles.count() as u64,
            no_winner: self.submitted - self.winners.len() as u64,
            repeated_tokens: (self.tokens.len() - tokens.len()) as u64,
            not_completed: self.submitted - self.completed.len() as u64,
            wins,
            seconds: 0.0,
        }
    }
}

/// A claimer: it waits, tells what it got, completes that, and waits again.
pub(super) async fn claim(claiming: Claiming) -> Result<(), Status> {
    let reach = |socket: &PathBuf| {
        let endpoint = shim_runtime::client::Endpoint::Unix(socket.clone());
        let channel = shim_runtime::client::connect(&endpoint, None)
            .map_err(|e| Status::invalid_argument(e.to_string()))?;
        Ok::<_, Status>(TaskClients::over(&channel))
    };
    let mut distributor = reach(&claiming.worker)?;
    let mut registry = reach(&claiming.coordination)?;
    let worker = registry.join("a claimer", 1).await?;
    report(&Told::Ready);
    let beats = async {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            registry.beat(&worker, 0).await?;
        }
    };
    let races = async {
        loop {
            let Some(claim) = distributor.claim(&worker, WAIT).await? else {
                continue;
            };
            win(&claim, claiming.number, &mut distributor).await?;
        }
    };
    tokio::select! {
        ended = beats => ended,
        ended = races => ended,
    }
}

async fn win(claim: &Claim, number: usize, distributor: &mut TaskClients) -> Result<(), Status> {
    report(&Told::Won {
        number,
        task: claim.task.task_id.clone(),
        lease: claim.lease,
    });
    match distributor.complete(claim, "won").await {
        Ok(task) => report(&Told::Completed(task.task_id)),
        // Another was told that the task is its own: the panel finds that by itself.
        Err(refusal) if reason(&refusal) == "STALE_LEASE" => {}
        Err(failure) => return Err(failure),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_winner_is_found() {
        let (tell, mut told) = mpsc::unbounded_channel();
        for number in [3, 5] {
            let task = "t".to_owned();
            let won = Told::Won {
                number,
                task,
                lease: 7,
            };
            tell.send(won).unwrap();
        }
        tell.send(Told::Completed("t".into())).unwrap();
        let mut races = Races::default();
        races.one("t", &mut told).await;
        let verdict = races.verdict();
        assert_eq!((verdict.two_winners, verdict.repeated_tokens), (1, 1));
        assert_eq!((verdict.no_winner, verdict.not_completed), (0, 0));
    }
}
