//! What the actors of the coordination suites play, and where.

use std::path::PathBuf;

use clap::Subcommand;
use tonic::Status;

use super::{holders, races};

/// What an `actor` does.
#[derive(Debug, Subcommand)]
pub enum CoordinationCommand {
    /// Counts on one entry by compare-and-set.
    Race(races::RacerArgs),
    /// Acquires locks and writes under their fences.
    Hold(holders::HolderArgs),
}

impl CoordinationCommand {
    /// Plays the part to its end.
    ///
    /// # Errors
    /// The first answer that no part expects.
    pub async fn run(self) -> Result<(), Status> {
        match self {
            Self::Race(args) => races::run_racers(args).await,
            Self::Hold(args) => holders::run_holders(args).await,
        }
    }
}

/// Which services an actor's tasks spread over, and where their chance comes from.
#[derive(Debug, Clone, clap::Args)]
pub struct ActorArgs {
    /// The sockets of the coordination services.
    #[arg(long = "socket", required = true)]
    pub(super) sockets: Vec<PathBuf>,
    /// How many tasks work at once.
    #[arg(long)]
    pub(super) tasks: usize,
    /// How often each of them does its work.
    #[arg(long)]
    pub(super) times: u64,
    /// Where all chance comes from.
    #[arg(long)]
    pub(super) seed: u64,
}

impl ActorArgs {
    /// As an actor is told it.
    pub(super) fn to_args(&self) -> Vec<String> {
        let mut words = vec![
            format!("--tasks={}", self.tasks),
            format!("--times={}", self.times),
            format!("--seed={}", self.seed),
        ];
        let sockets = self.sockets.iter();
        words.extend(sockets.map(|socket| format!("--socket={}", socket.display())));
        words
    }
}
