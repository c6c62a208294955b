//! The panels of tasks.
//!
//! - [`run`]: graphs of tasks are done by workers while workers, services and Redis are killed and frozen; every task
//!   ends, once, and nobody who lost a task does harm with what he still believes to hold.
//! - [`claims`]: of eight who race for one task exactly one gets it.

mod anyone;
pub mod claims;
mod clerk;
mod crew;
mod faults;
mod graphs;
mod hand;
mod history;
mod house;
mod judge;
mod panel;
mod peer;
mod remains;
mod resource;
mod restart;
mod told;
mod verdict;

use clap::Subcommand;
use tonic::Status;

pub use panel::{Settings, run};
pub use verdict::{Spread, Verdict};

/// What an `actor` does.
#[derive(Debug, Subcommand)]
pub enum Part {
    /// Works as a worker outside the services, with an effect on a guarded resource for each task.
    Work(hand::Working),
    /// Races for tasks.
    Claim(claims::Claiming),
}

impl Part {
    /// Plays the part until it is killed.
    ///
    /// # Errors
    /// The first answer that no part expects.
    pub async fn play(self) -> Result<(), Status> {
        match self {
            Self::Work(working) => hand::work(working).await,
            Self::Claim(claiming) => claims::claim(claiming).await,
        }
    }
}
