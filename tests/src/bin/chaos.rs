//! `chaos --rounds N --seed S`: the crash panel. Its last line is one JSON object; it fails if a promise was broken.

use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use shim_tests::chaos::{Settings, run};

/// Kills the checkpoint service at random moments under sixteen savers and looks for what was lost.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many kills.
    #[arg(long, default_value_t = 200)]
    rounds: u64,
    /// Where all chance comes from; the clock if left out.
    #[arg(long)]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(seed_of_the_clock);
    let mut out = stdout().lock();
    let _ = writeln!(out, "{} rounds, seed {seed}", arguments.rounds);
    match run(
        Settings {
            rounds: arguments.rounds,
            seed,
        },
        &mut out,
    )
    .await
    {
        Ok(verdict) => {
            let line = serde_json::to_string(&verdict).unwrap_or_default();
            let _ = writeln!(out, "{line}");
            if verdict.is_clean() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(broken) => {
            let line = serde_json::json!({"seed": seed, "broken": format!("{broken:?}")});
            let _ = writeln!(out, "{line}");
            ExitCode::FAILURE
        }
    }
}

fn seed_of_the_clock() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |now| now.as_secs())
}
