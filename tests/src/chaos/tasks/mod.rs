//! The suites of tasks.
//!
//! - [`run`]: graphs of tasks are done by workers while workers, services and Redis are killed and frozen; every task
//!   ends, once, and a worker that lost a task does no harm with the claim it still holds.
//! - [`claim_race`]: of eight who race for one task exactly one gets it.

pub mod claim_race;
mod cleanup_check;
mod external_workers;
mod failover_client;
mod fault_injection;
mod graphs;
mod history;
mod judge;
mod peer;
mod resource;
mod restart;
mod submitter;
mod suite;
mod test_stack;
mod verdict;
mod worker_actor;
mod worker_reports;

use clap::Subcommand;
use tonic::Status;

pub use suite::{SuiteOptions, run};
pub use verdict::{Percentiles, TasksVerdict};

/// What an `actor` does.
#[derive(Debug, Subcommand)]
pub enum TaskCommand {
    /// Works as a worker outside the services, with an effect on a guarded resource for each task.
    Work(worker_actor::WorkerArgs),
    /// Races for tasks.
    Claim(claim_race::ClaimArgs),
}

impl TaskCommand {
    /// Plays the part until it is killed.
    ///
    /// # Errors
    /// The first answer that no part expects.
    pub async fn run(self) -> Result<(), Status> {
        match self {
            Self::Work(args) => worker_actor::run_worker(args).await,
            Self::Claim(args) => claim_race::run_claimer(args).await,
        }
    }
}
