//! `bench [AREA...]`: measures, prints a table and writes `target/bench/<area>.json`. Fails if a target was missed; with
//! `--check`, if a figure slipped behind the kept ones instead.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use shim_tests::bench::{
    Figure, measure_analysis, measure_checkpoint, measure_coordination, measure_gateway,
    measure_hooks, measure_idle, measure_limits, measure_mutants, measure_redaction, measure_tasks,
    measure_telemetry, print_table, read_reference, reference_path, slips, update_reference,
    write_json,
};
use shim_tests::binary::target_dir;

/// Measures each promise beside its peer.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure; everything if left out, but for the mutants, whose packages come from npm.
    areas: Vec<Area>,
    /// Print only the figures whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Compare with the kept figures, by ratio to the peers, and fail if one slipped by more than a tenth.
    #[arg(long)]
    check: bool,
    /// Keep the figures of this run for later checks.
    #[arg(long)]
    update: bool,
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
    Idle,
    Mutants,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut areas = arguments.areas.clone();
    if areas.is_empty() {
        areas = Area::value_variants().to_vec();
        areas.retain(|area| !matches!(area, Area::Mutants));
    }
    let (mut missed, mut all) = (false, Vec::new());
    for area in areas {
        let (name, mut figures) = match area {
            Area::Checkpoint => ("checkpoint", measure_checkpoint(progress).await),
            Area::Gateway => ("gateway", measure_gateway(progress).await),
            Area::Coordination => ("coordination", measure_coordination(progress).await),
            Area::Limits => ("limits", measure_limits(progress).await),
            Area::Tasks => ("tasks", measure_tasks(progress).await),
            Area::Telemetry => ("telemetry", measure_telemetry(progress).await),
            Area::Analysis => ("analysis", measure_analysis(progress).await),
            Area::Hook => ("hook", measure_hooks(progress).await),
            Area::Idle => ("idle", measure_idle(progress).await),
            Area::Mutants => ("mutants", measure_mutants(progress).await),
            Area::Redaction => ("redaction", measure_redaction(progress).await),
        };
        figures.retain(|figure| figure.name.contains(&arguments.only));
        missed |= figures.iter().any(|figure| figure.met == Some(false));
        if let Err(e) = publish(name, &figures) {
            progress(&format!("the figures of {name} cannot be written: {e}"));
            return ExitCode::FAILURE;
        }
        all.extend(figures);
    }
    if arguments.check || arguments.update {
        return guard(&all, arguments.update);
    }
    if missed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Keeps the figures, or tells which slipped behind the kept ones.
fn guard(figures: &[Figure], is_update: bool) -> ExitCode {
    let path = reference_path();
    let slipped = if is_update {
        update_reference(&path, figures).map(|()| Vec::new())
    } else {
        read_reference(&path).map(|kept| {
            if kept.is_empty() {
                vec!["nothing is kept to compare with: run it with --update (UPDATE=1) once".into()]
            } else {
                slips(&kept, figures)
            }
        })
    };
    match slipped {
        Ok(slipped) if slipped.is_empty() => ExitCode::SUCCESS,
        Ok(slipped) => {
            for line in slipped {
                let _ = writeln!(stdout(), "bench-check: {line}");
            }
            ExitCode::FAILURE
        }
        Err(e) => {
            let _ = writeln!(stderr(), "{}: {e}", path.display());
            ExitCode::FAILURE
        }
    }
}

fn publish(area: &str, figures: &[Figure]) -> std::io::Result<()> {
    print_table(&mut stdout().lock(), figures)?;
    write_json(&target_dir(), area, figures)
}

fn progress(text: &str) {
    let _ = writeln!(stderr(), "measuring {text}");
}
