//! `bench [AREA...]`: measures, prints a table and writes `target/bench/<area>.json`. Fails if a target was missed.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use shim_tests::bench::{
    Figure, measure_analysis, measure_checkpoint, measure_coordination, measure_gateway,
    measure_hooks, measure_limits, measure_mutants, measure_redaction, measure_tasks,
    measure_telemetry, print_table, write_json,
};
use shim_tests::binary::target_dir;

/// Measures each promise beside its peer.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure; everything if left out, but for the mutants, whose packages come from npm.
    areas: Vec<Area>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Area {
    Checkpoint,
    Gateway,
    Coordination,
    Limits,
    Tasks,
    Telemetry,
    Redaction,
    Analysis,
    Hook,
    Mutants,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut areas = Arguments::parse().areas;
    if areas.is_empty() {
        areas = Area::value_variants().to_vec();
        areas.retain(|area| !matches!(area, Area::Mutants));
    }
    let mut missed = false;
    for area in areas {
        let (name, figures) = match area {
            Area::Checkpoint => ("checkpoint", measure_checkpoint(progress).await),
            Area::Gateway => ("gateway", measure_gateway(progress).await),
            Area::Coordination => ("coordination", measure_coordination(progress).await),
            Area::Limits => ("limits", measure_limits(progress).await),
            Area::Tasks => ("tasks", measure_tasks(progress).await),
            Area::Telemetry => ("telemetry", measure_telemetry(progress).await),
            Area::Analysis => ("analysis", measure_analysis(progress).await),
            Area::Hook => ("hook", measure_hooks(progress).await),
            Area::Mutants => ("mutants", measure_mutants(progress).await),
            Area::Redaction => ("redaction", measure_redaction(progress).await),
        };
        missed |= figures.iter().any(|figure| figure.met == Some(false));
        if let Err(e) = publish(name, &figures) {
            progress(&format!("the figures of {name} cannot be written: {e}"));
            return ExitCode::FAILURE;
        }
    }
    if missed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn publish(area: &str, figures: &[Figure]) -> std::io::Result<()> {
    print_table(&mut stdout().lock(), figures)?;
    write_json(&target_dir(), area, figures)
}

fn progress(text: &str) {
    let _ = writeln!(stderr(), "measuring {text}");
}
