//! `shim generate-tests`: makes tests for exported functions and keeps those that hold.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use shim_proto::evolution::v1::generate_tests_response::Event;
use shim_proto::evolution::v1::{
    FunctionTests, GenerateTestsRequest, TestFigures, TestGenerationReport,
};
use shim_proto::limits::evolution::MAX_FUNCTIONS;
use shim_render::figures::{count, percent};
use shim_render::text::{name, one_line, short_id};
use tonic::Request;

use crate::config::Config;
use crate::connection::{self, Evolution as Service, call, request_id};
use crate::error::CliError;
use crate::evolve::paths::absolute_path;
use crate::evolve::progress::ProgressLine;
use crate::evolve::trust;
use crate::output::emit::emit;

/// For what to make tests.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The project, or a file or folder in it
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Only this file or folder, relative to PATH; may be given again
    #[arg(long, value_name = "PATH")]
    include: Vec<String>,
    /// The most functions, those without tests first [default: 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_FUNCTIONS)))]
    max_functions: Option<u32>,
    /// The seed of all random choices [default: a new one, which is printed]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Print canonical proto JSON (a TestGenerationReport)
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  shim generate-tests .
  shim generate-tests . --include src/price.ts --max-functions 5
  shim generate-tests . --seed 42

The functions run in a copy of the project, so it must be trusted (`shim trust PATH`). The tests are a proposal: look at it
with `shim evolve show ID`, and commit them on a branch with `shim evolve approve ID`.";

/// Makes tests.
pub(crate) async fn run(
    args: Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let mut asked = GenerateTestsRequest {
        request_id: request_id(),
        path: absolute_path(&args.path)?,
        include: args.include,
        max_functions: args.max_functions.unwrap_or_default(),
        seed: args.seed.unwrap_or_default(),
    };
    let mut service = connection::evolution(config).await?;
    let report = match generate(&mut service, asked.clone()).await {
        Err(refused) if trust::ask(&refused, &asked.path, &mut service).await? => {
            asked.request_id = request_id();
            generate(&mut service, asked).await?
        }
        other => other?,
    };
    emit(args.json, &report, out, |out| print(&report, out))
}

async fn generate(
    service: &mut Service,
    asked: GenerateTestsRequest,
) -> Result<TestGenerationReport, CliError> {
    let mut stream = call(service.generate_tests(Request::new(asked))).await?;
    let mut progress = ProgressLine::new();
    let mut report = None;
    while let Some(message) = stream.message().await? {
        match message.event {
            Some(Event::Progress(done)) => progress.tell(&done),
            Some(Event::Report(end)) => report = Some(end),
            Some(Event::Function(_)) | None => {}
        }
    }
    progress.clear();
    report.ok_or_else(|| {
        CliError::new("the service ended its answer without a report")
            .hint("run it again; `shim doctor` finds the usual causes")
    })
}

fn print(report: &TestGenerationReport, out: &mut dyn Write) -> io::Result<()> {
    for function in &report.functions {
        print_function(function, out)?;
    }
    print_figures(report, out)?;
    for unread in &report.unread_files {
        writeln!(
            out,
            "left out: {} ({})",
            name(&unread.path, 160),
            one_line(&unread.reason, 200)
        )?;
    }
    match &report.evolution {
        Some(evolution) => {
            let id = short_id(&evolution.evolution_id);
            writeln!(
                out,
                "nothing was changed; `shim evolve show {id}` shows the tests, `shim evolve approve {id}` commits them on a branch"
            )
        }
        None => writeln!(out, "no test was kept"),
    }
}

/// What the tests covered before, and cover now.
fn print_figures(report: &TestGenerationReport, out: &mut dyn Write) -> io::Result<()> {
    let (before, after) = (
        report.before.unwrap_or_default(),
        report.after.unwrap_or_default(),
    );
    for (figure, of) in [
        ("lines covered", (|it| it.lines) as fn(&TestFigures) -> f64),
        ("branches covered", |it| it.branches),
        ("mutants killed", |it| it.mutation_score),
    ] {
        let (first, last) = (of(&before), of(&after));
        if first < 0.0 && last < 0.0 {
            writeln!(out, "{figure}: not measured")?;
            continue;
        }
        writeln!(
            out,
            "{figure}: {} before, {} after",
            share(first),
            share(last)
        )?;
    }
    // Tests that do not run count nothing, which is not 0.
    let first = match before.tests {
        0 if before.mutation_score < 0.0 => "not measured".to_owned(),
        tests => tests.to_string(),
    };
    writeln!(
        out,
        "tests: {first} before, {} after, for {}; seed {}",
        after.tests,
        one_line(&report.test_runner, 40),
        report.seed
    )
}

fn print_function(it: &FunctionTests, out: &mut dyn Write) -> io::Result<()> {
    let of = format!("{} in {}", name(&it.function, 80), name(&it.path, 160));
    if !it.skipped.is_empty() {
        return writeln!(out, "{of}: none, {}", one_line(&it.skipped, 200));
    }
    let dropped: Vec<String> = it
        .dropped
        .iter()
        .map(|it| format!("{} dropped ({})", it.count, one_line(&it.reason, 60)))
        .collect();
    let dropped = match dropped.is_empty() {
        true => String::new(),
        false => format!("; {}", dropped.join(", ")),
    };
    writeln!(
        out,
        "{of}: {}, {} of {} killed{dropped}",
        count(it.kept.into(), "test"),
        it.killed_mutants,
        count(it.mutants.into(), "mutant")
    )
}

/// A share that may not have been measured.
fn share(value: f64) -> String {
    if value < 0.0 {
        "not measured".to_owned()
    } else {
        percent(value)
    }
}

#[cfg(test)]
mod tests {
    use shim_proto::evolution::v1::{DroppedTests, Evolution};

    use super::*;
    use crate::samples::both_faces;

    #[test]
    fn a_report_says_what_was_kept_and_what_it_is_worth() {
        let report = TestGenerationReport {
            test_runner: "vitest".into(),
            functions: vec![
                FunctionTests {
                    path: "src/price.ts".into(),
                    function: "total".into(),
                    kept: 4,
                    mutants: 9,
                    killed_mutants: 8,
                    dropped: vec![DroppedTests {
                        count: 2,
                        reason: "flaky".into(),
                    }],
                    ..FunctionTests::default()
                },
                FunctionTests {
                    path: "src/a\nerror: b.ts".into(),
                    function: "save".into(),
                    skipped: "writes files".into(),
                    ..FunctionTests::default()
                },
            ],
            before: Some(TestFigures {
                lines: 0.5,
                branches: -1.0,
                mutation_score: 0.0,
                tests: 3,
            }),
            after: Some(TestFigures {
                lines: 0.9,
                branches: -1.0,
                mutation_score: 8.0 / 9.0,
                tests: 7,
            }),
            evolution: Some(Evolution {
                evolution_id: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
                ..Evolution::default()
            }),
            seed: 42,
            ..TestGenerationReport::default()
        };
        insta::assert_snapshot!(both_faces(&report, |out| print(&report, out)));
    }
}
