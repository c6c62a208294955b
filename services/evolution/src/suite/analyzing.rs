//! The analysis of a package.

use std::time::Instant;

use shim_proto::evolution::v1::AnalysisReport;
use shim_proto::evolution::v1::analyze_workflow_response::Event;
use tokio::sync::mpsc;

use super::figures::Analysis;
use super::lab::Lab;
use crate::analyzer::AnalysisOptions;

pub(super) async fn analyzed(lab: &Lab) -> Analysis {
    let options = AnalysisOptions {
        with_findings: true,
        limit: 1_000,
        ..AnalysisOptions::default()
    };
    let (sender, mut events) = mpsc::channel(1_000);
    let counting = async {
        let mut findings = 0;
        while let Some(event) = events.recv().await {
            if let Event::Findings(page) = event {
                findings += page.findings.len();
            }
        }
        findings
    };
    let began = Instant::now();
    let (report, findings) = tokio::join!(
        lab.engine
            .analyze(&lab.root, options, false, sender, &lab.cancel),
        counting
    );
    let mut analysis = report.map_or_else(
        |error| Analysis {
            error: error.to_string(),
            ..Analysis::default()
        },
        |report| figures(&report),
    );
    analysis.findings = findings;
    analysis.seconds = began.elapsed().as_secs_f64();
    println!("  analysis: {analysis:?}");
    analysis
}

fn figures(report: &AnalysisReport) -> Analysis {
    let project = report.project.clone().unwrap_or_default();
    let failed = report.tools.iter().filter(|tool| !tool.failure.is_empty());
    Analysis {
        files: project.source_files,
        lines: project.source_lines,
        told: (report.errors + report.warnings + report.suppressed) as usize,
        opportunities: report.opportunities.len(),
        unread: report
            .unread_files
            .iter()
            .map(|file| format!("{}: {} {}", file.path, file.tool, file.reason))
            .collect(),
        failed_tools: failed
            .map(|tool| format!("{}: {}", tool.tool, tool.failure))
            .collect(),
        ..Analysis::default()
    }
}
