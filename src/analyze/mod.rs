//! `shim analyze`: what a project is like, and what would help it most.

#[cfg(test)]
mod printed;
mod report;
mod split;
mod watch;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::json;
use shim_proto::evolution::v1::analyze_workflow_response::Event;
use shim_proto::evolution::v1::{AnalysisReport, AnalyzeWorkflowRequest, Finding};
use shim_proto::limits::evolution::{MAX_ITEMS, MAX_PARTS};
use tonic::Request;

use crate::config::Config;
use crate::connection::{self, Evolution as Service, call};
use crate::error::CliError;
use crate::evolve::paths::absolute_path;
use crate::evolve::progress::ProgressLine;
use crate::output::{json, say};

/// What to analyze.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The project, or a file or folder in it
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Only this file or folder, relative to PATH; may be given again
    #[arg(long, value_name = "PATH")]
    include: Vec<String>,
    /// End after the first picture, within about a second
    #[arg(long)]
    first: bool,
    /// Print every finding, too
    #[arg(long)]
    findings: bool,
    /// Split it into so many tasks over the workers [default if no number is given: 8]
    #[arg(
        long,
        value_name = "PARTS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "8",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_PARTS)),
        conflicts_with_all = ["first", "watch"],
    )]
    split: Option<u32>,
    /// Say what SHIM's own history of the project shows, too
    #[arg(long)]
    history: bool,
    /// Analyze again whenever a file changes, until Ctrl-C; print what is new
    #[arg(long, conflicts_with = "sarif")]
    watch: bool,
    /// The most opportunities, hotspots and figures [default: 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_ITEMS)))]
    limit: Option<u32>,
    /// Exit with 1 if there are findings of this severity or a graver one
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<FailOn>,
    /// Print canonical proto JSON (an AnalysisReport; with --findings {"report": ..., "findings": [...]})
    #[arg(long)]
    json: bool,
    /// Print all findings as SARIF 2.1.0, for code hosts and editors
    #[arg(long, conflicts_with = "json")]
    sarif: bool,
}

/// The least severity that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Error,
    Warning,
}

const EXAMPLES: &str = "\
Examples:
  shim analyze .
  shim analyze . --first                 what fast tools see
  shim analyze . --json | jq .opportunities[0]
  shim analyze . --sarif > shim.sarif
  shim analyze . --fail-on error         for CI
  shim analyze . --split                 a large project, in eight tasks; Ctrl-C calls them off

Exit code: 0, or 1 if --fail-on found something or the analysis failed. Nothing in the project is changed or installed. Its
own ESLint configuration is used once it is trusted (`shim trust PATH`); until then SHIM's own, and the report says so.";

/// The report of an analysis and all of its findings.
#[derive(Debug, Default)]
struct Analysis {
    report: AnalysisReport,
    findings: Vec<Finding>,
}

/// Analyzes.
pub(crate) async fn run(
    args: Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let asked = AnalyzeWorkflowRequest {
        path: absolute_path(&args.path)?,
        include: args.include.clone(),
        with_findings: args.findings || args.sarif,
        first_picture_only: args.first,
        with_work_history: args.history,
        limit: args.limit.unwrap_or_default(),
    };
    if let Some(parts) = args.split {
        split::over_workers(&asked, parts, config).await?;
    }
    let mut service = connection::evolution(config).await?;
    if args.watch {
        return watch(&args, &mut service, asked, out).await;
    }
    let analysis = analyze(&mut service, asked).await?;
    print(&args, &analysis, out)?;
    Ok(exit_code(&args, &analysis.report))
}

/// Analyzes again and again. What a report tells is printed when it differs from the one before.
async fn watch(
    args: &Args,
    service: &mut Service,
    asked: AnalyzeWorkflowRequest,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let (mut last, mut has_failed): (Option<Analysis>, bool) = (None, false);
    let place = PathBuf::from(&asked.path);
    watch::follow(place, &args.include, async || {
        let analysis = match analyze(service, asked.clone()).await {
            Ok(analysis) => analysis,
            // A file in the middle of a change; the next one may mend it.
            Err(failure) if last.is_some() => {
                say::line(format_args!("the analysis failed: {failure}"));
                has_failed = true;
                return Ok(None);
            }
            Err(failure) => return Err(failure),
        };
        let root = analysis.report.project.as_ref();
        let root = root.map(|project| PathBuf::from(&project.root));
        let is_news = last.as_ref().map(what_is_told) != Some(what_is_told(&analysis));
        if is_news || std::mem::take(&mut has_failed) {
            print(args, &analysis, out)?;
        }
        last = Some(analysis);
        Ok(root)
    })
    .await
}

/// An analysis without what differs from run to run.
fn what_is_told(analysis: &Analysis) -> (AnalysisReport, Vec<Finding>) {
    let mut report = analysis.report.clone();
    report.analysis_id.clear();
    report.duration = None;
    for run in &mut report.tools {
        (run.duration, run.files, run.cached_files) = (None, 0, 0);
    }
    (report, analysis.findings.clone())
}

async fn analyze(
    service: &mut Service,
    asked: AnalyzeWorkflowRequest,
) -> Result<Analysis, CliError> {
    let mut stream = call(service.analyze_workflow(Request::new(asked))).await?;
    let (mut report, mut findings) = (None, Vec::new());
    let mut progress = ProgressLine::new();
    while let Some(message) = stream.message().await? {
        match message.event {
            Some(Event::Progress(done)) => progress.tell(&done),
            Some(Event::FirstPicture(_)) | None => {}
            Some(Event::Findings(page)) => findings.extend(page.findings),
            Some(Event::Report(end)) => report = Some(end),
        }
    }
    progress.clear();
    let report = report.ok_or_else(|| {
        CliError::new("the service ended its answer without a report")
            .hint("run it again; `shim doctor` finds the usual causes")
    })?;
    Ok(Analysis { report, findings })
}

fn print(args: &Args, analysis: &Analysis, out: &mut dyn Write) -> Result<(), CliError> {
    let Analysis { report, findings } = analysis;
    if args.sarif {
        json::write_pretty(out, &shim_evolution::sarif(report, findings))?;
    } else if args.json && args.findings {
        let findings: Vec<_> = findings.iter().map(json::value).collect::<Result<_, _>>()?;
        let document = json!({"report": json::value(report)?, "findings": findings});
        json::write_value(out, &document)?;
    } else if args.json {
        json::write_line(out, report)?;
    } else {
        report::print(report, out)?;
        if args.findings {
            report::print_findings(findings, out)?;
        }
    }
    out.flush()?;
    Ok(())
}

fn exit_code(args: &Args, report: &AnalysisReport) -> ExitCode {
    let counted = match args.fail_on {
        None => 0,
        Some(FailOn::Error) => report.errors,
        Some(FailOn::Warning) => report.errors + report.warnings,
    };
    if counted == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
