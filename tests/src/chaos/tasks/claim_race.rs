//! The race for a task: eight processes wait for one task at two services, again and again. Exactly one of them gets it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tonic::Status;

use super::test_stack::{TestStack, sockets};
use crate::chaos::actor::{Actor, report};
use crate::coordination::reason;
use crate::tasks::{Claim, TaskClients, job};

const CLAIMERS: usize = 8;
/// No worker is frozen here, so none may be declared dead on a busy machine.
const DEAD_AFTER: Duration = Duration::from_secs(60);
const WAIT: Duration = Duration::from_secs(20);
/// A task that no worker got in this time is lost.
const TIMEOUT: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How to race.
#[derive(Debug, Clone, Copy)]
pub struct SuiteOptions {
    /// How many tasks are raced for, one after the other.
    pub times: u64,
}

/// What the races came to.
#[derive(Debug, Default, Clone, Serialize)]
pub struct ClaimRaceVerdict {
    /// Tasks that were raced for.
    pub races: u64,
    /// Broken: tasks that two got.
    pub two_winners: u64,
    /// Broken: tasks that no worker got.
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

impl ClaimRaceVerdict {
    /// Whether each task had exactly one winner.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.two_winners + self.no_winner + self.repeated_tokens + self.not_completed == 0
    }
}

/// What a claimer is told.
#[derive(Debug, Clone, clap::Args)]
pub struct ClaimArgs {
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
enum ClaimEvent {
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
pub async fn run(settings: SuiteOptions) -> Result<ClaimRaceVerdict, Status> {
    let stack = TestStack::start(DEAD_AFTER, false).await;
    let (reports, mut received) = mpsc::unbounded_channel();
    let (workers, coordination) = (sockets(&stack.workers), sockets(&stack.coordination));
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
        let first = received.recv().await;
        assert!(matches!(first, Some(ClaimEvent::Ready)), "{first:?}");
    }
    let start = Instant::now();
    let mut races = Races::default();
    let mut clients = stack.coordination[0].service().tasks();
    for _ in 0..settings.times {
        let submitted = clients.submit(job("race for this")).await?;
        let task = submitted.task.map(|task| task.task_id).unwrap_or_default();
        races.follow(&task, &mut received).await;
    }
    Ok(ClaimRaceVerdict {
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
    async fn follow(&mut self, task: &str, received: &mut UnboundedReceiver<ClaimEvent>) {
        self.submitted += 1;
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        while !self.completed.contains(task) {
            match tokio::time::timeout_at(deadline, received.recv()).await {
                Ok(Some(ClaimEvent::Won {
                    number,
                    task,
                    lease,
                })) => {
                    self.winners.entry(task).or_default().push(number);
                    self.tokens.push(lease);
                }
                Ok(Some(ClaimEvent::Completed(task))) => {
                    self.completed.insert(task);
                }
                Ok(Some(ClaimEvent::Ready)) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn verdict(self) -> ClaimRaceVerdict {
        let mut wins = vec![0; CLAIMERS];
        for winner in self.winners.values().flatten() {
            wins[*winner] += 1;
        }
        let doubles = self.winners.values().filter(|winners| winners.len() > 1);
        let tokens: BTreeSet<_> = self.tokens.iter().collect();
        ClaimRaceVerdict {
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
pub(super) async fn run_claimer(args: ClaimArgs) -> Result<(), Status> {
    let connect_to = |socket: &PathBuf| {
        let endpoint = shim_runtime::client::Endpoint::Unix(socket.clone());
        let channel = shim_runtime::client::connect(&endpoint, None)
            .map_err(|e| Status::invalid_argument(e.to_string()))?;
        Ok::<_, Status>(TaskClients::over(&channel))
    };
    let mut distributor = connect_to(&args.worker)?;
    let mut registry = connect_to(&args.coordination)?;
    let worker = registry.register("a claimer", 1).await?;
    report(&ClaimEvent::Ready);
    let beats = async {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            registry.heartbeat(&worker, 0).await?;
        }
    };
    let races = async {
        loop {
            let Some(claim) = distributor.claim(&worker, WAIT).await? else {
                continue;
            };
            complete_claim(&claim, args.number, &mut distributor).await?;
        }
    };
    tokio::select! {
        ended = beats => ended,
        ended = races => ended,
    }
}

async fn complete_claim(
    claim: &Claim,
    number: usize,
    distributor: &mut TaskClients,
) -> Result<(), Status> {
    report(&ClaimEvent::Won {
        number,
        task: claim.task.task_id.clone(),
        lease: claim.lease,
    });
    match distributor.complete(claim, "won").await {
        Ok(task) => report(&ClaimEvent::Completed(task.task_id)),
        // Another worker got the task too: the suite finds that from its report.
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
        let (reports, mut received) = mpsc::unbounded_channel();
        for number in [3, 5] {
            let task = "t".to_owned();
            let won = ClaimEvent::Won {
                number,
                task,
                lease: 7,
            };
            reports.send(won).unwrap();
        }
        reports.send(ClaimEvent::Completed("t".into())).unwrap();
        let mut races = Races::default();
        races.follow("t", &mut received).await;
        let verdict = races.verdict();
        assert_eq!((verdict.two_winners, verdict.repeated_tokens), (1, 1));
        assert_eq!((verdict.no_winner, verdict.not_completed), (0, 0));
    }
}
