//! `actor race|hold|work|claim ...`: a client process of a panel. It tells what it did as JSON lines on stdout.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use shim_tests::chaos::{coordination, tasks};
use tonic::Status;

/// Plays a part in a panel.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    #[command(flatten)]
    Coordination(coordination::crew::Part),
    #[command(flatten)]
    Tasks(tasks::Part),
}

impl Part {
    async fn play(self) -> Result<(), Status> {
        match self {
            Self::Coordination(part) => part.play().await,
            Self::Tasks(part) => part.play().await,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match Arguments::parse().part.play().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(status) => {
            let _ = writeln!(std::io::stderr(), "an actor was refused: {status}");
            ExitCode::FAILURE
        }
    }
}
