//! `soak [--minutes N]`: mixed load at half the sustainable rate; exit code 1 if something grows.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use clap::Parser;
use shim_tests::bench::{Soak, measure_soak, print_soak, write_soak};
use shim_tests::binary::target_dir;

/// Loads a stack for long and looks at what grows.
#[derive(Debug, Parser)]
struct Arguments {
    /// How long; what is flat is judged from minute 10 on, or from the first third of a shorter run.
    #[arg(long, default_value_t = 60)]
    minutes: u32,
    /// The length of a minute in seconds, to try the program itself.
    #[arg(long, default_value_t = 60, hide = true)]
    minute_seconds: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let soak = measure_soak(arguments.minutes, arguments.minute_seconds, progress).await;
    match publish(&soak) {
        Ok(()) if soak.growing().is_empty() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(e) => {
            progress(&format!("the soak cannot be written: {e}"));
            ExitCode::FAILURE
        }
    }
}

fn publish(soak: &Soak) -> std::io::Result<()> {
    print_soak(&mut stdout().lock(), soak)?;
    write_soak(&target_dir(), soak)
}

fn progress(text: &str) {
    let _ = writeln!(stderr(), "soaking: {text}");
}
