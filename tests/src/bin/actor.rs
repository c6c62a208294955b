//! `actor race|hold|work|claim ...`: a client process of a suite. It reports what it did as JSON lines on stdout.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use shim_tests::chaos::{coordination, tasks};
use tonic::Status;

/// Plays a part in a suite.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: ActorCommand,
}

#[derive(Debug, Subcommand)]
enum ActorCommand {
    #[command(flatten)]
    Coordination(coordination::actor_args::CoordinationCommand),
    #[command(flatten)]
    Tasks(tasks::TaskCommand),
}

impl ActorCommand {
    async fn run(self) -> Result<(), Status> {
        match self {
            Self::Coordination(command) => command.run().await,
            Self::Tasks(command) => command.run().await,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match Arguments::parse().command.run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(status) => {
            let _ = writeln!(std::io::stderr(), "an actor was refused: {status}");
            ExitCode::FAILURE
        }
    }
}
