//! `curves [--only TEXT] [--largest N]`: cost against size, as tables on stdout and pictures in `target/bench/curves/`.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use clap::Parser;
use shim_tests::bench::{measure_curves, print_curve, write_curve};
use shim_tests::binary::target_dir;

/// Measures what grows.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only the curves whose name contains this: saves, sessions, clients, parts, queue, workspaces.
    #[arg(long, default_value = "")]
    only: String,
    /// The largest size, of whatever grows.
    #[arg(long, default_value_t = 1_000_000)]
    largest: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let curves = measure_curves(&arguments.only, arguments.largest, progress).await;
    if curves.is_empty() {
        progress(&format!(
            "nothing: no curve has {} in its name",
            arguments.only
        ));
        return ExitCode::FAILURE;
    }
    for curve in &curves {
        let printed = print_curve(&mut stdout().lock(), curve);
        if let Err(e) = printed.and_then(|()| write_curve(&target_dir(), curve)) {
            progress(&format!("the curve {} cannot be written: {e}", curve.name));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn progress(text: &str) {
    let _ = writeln!(stderr(), "measuring {text}");
}
