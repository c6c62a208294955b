//! `actor race|hold ...`: a client process of the coordination panels. It tells what it did as JSON lines on stdout.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use shim_tests::chaos::coordination::crew::Part;

/// Plays a part in a panel.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Part,
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
