//! What a person reads in a minute.

use std::fmt::Write as _;

use shim_proto::evolution::v1::{AnalysisReport, Project};
use shim_render::figures::count;

/// How many of each are named.
const NAMED: usize = 5;

/// The summary of a report, in lines.
pub(crate) fn summary(report: &AnalysisReport) -> String {
    let mut text = String::new();
    head(report, &mut text);
    figures(report, &mut text);
    worst(report, &mut text);
    best(report, &mut text);
    missing(report, &mut text);
    text.truncate(text.trim_end().len());
    text
}

fn head(report: &AnalysisReport, text: &mut String) {
    let nothing = Project::default();
    let project = report.project.as_ref().unwrap_or(&nothing);
    let name = if project.name.is_empty() {
        &project.root
    } else {
        &project.name
    };
    let early = if report.is_first_picture {
        "; a first picture, slower tools still run"
    } else {
        ""
    };
    let _ = writeln!(
        text,
        "{name}: {}, {}{early}.",
        count(project.source_files, "file"),
        count(project.source_lines, "line")
    );
    let _ = writeln!(
        text,
        "{}, {}, {} suppressed.",
        count(report.errors, "error"),
        count(report.warnings, "warning"),
        report.suppressed
    );
}

fn figures(report: &AnalysisReport, text: &mut String) {
    let duplicated: u64 = report
        .duplicates
        .iter()
        .map(|one| u64::from(one.lines) * one.locations.len().saturating_sub(1) as u64)
        .sum();
    let _ = writeln!(
        text,
        "{}, {} ({} too many), {} of debt.",
        count(report.cycles.len() as u64, "import cycle"),
        count(report.duplicates.len() as u64, "duplicate"),
        count(duplicated, "line"),
        count(report.debt_markers.len() as u64, "marker")
    );
    match &report.coverage {
        Some(coverage) => {
            let stale = if coverage.is_stale {
                ", older than the sources"
            } else {
                ""
            };
            let _ = writeln!(
                text,
                "Coverage by {}: {:.0} % of the lines{stale}.",
                coverage.report,
                coverage.lines * 100.0
            );
        }
        None => text.push_str("No coverage report was found.\n"),
    }
}

fn worst(report: &AnalysisReport, text: &mut String) {
    if let Some(function) = report.figures.first() {
        let _ = writeln!(
            text,
            "Most complex: {} in {}:{}, cyclomatic complexity {} by {}.",
            function.function,
            function.path,
            function.start_line,
            function.cyclomatic,
            function.tool
        );
    }
    if !report.hotspots.is_empty() {
        text.push_str("Changing is dear in:\n");
    }
    for hotspot in report.hotspots.iter().take(NAMED) {
        let _ = writeln!(
            text,
            "  {}: {} commits by {} authors, cyclomatic complexity {}",
            hotspot.path, hotspot.commits, hotspot.authors, hotspot.cyclomatic
        );
    }
}

fn best(report: &AnalysisReport, text: &mut String) {
    if !report.opportunities.is_empty() {
        text.push_str("Worth doing first:\n");
    }
    for (at, opportunity) in report.opportunities.iter().take(NAMED).enumerate() {
        let place = opportunity.location.clone().unwrap_or_default();
        let _ = writeln!(
            text,
            "  {}. {} ({}:{})",
            at + 1,
            opportunity.title,
            place.path,
            place.line
        );
    }
}

fn missing(report: &AnalysisReport, text: &mut String) {
    for run in report.tools.iter().filter(|run| !run.failure.is_empty()) {
        let failure = run.failure.lines().next().unwrap_or_default();
        let _ = writeln!(text, "{}: {failure}", run.tool);
    }
    for note in &report.notes {
        let _ = writeln!(text, "Note: {note}.");
    }
    if !report.unread_files.is_empty() {
        let _ = writeln!(
            text,
            "{} without a full answer, for example:",
            count(report.unread_files.len() as u64, "file")
        );
    }
    for file in report.unread_files.iter().take(NAMED) {
        let tool = if file.tool.is_empty() {
            String::new()
        } else {
            format!("{}: ", file.tool)
        };
        let reason = file.reason.lines().next().unwrap_or_default();
        let _ = writeln!(text, "  {}: {tool}{reason}", file.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shim_proto::evolution::v1::{ToolRun, UnreadFile};

    #[test]
    fn what_failed_and_what_was_not_read_is_said() {
        let report = AnalysisReport {
            tools: vec![ToolRun {
                tool: "eslint".to_owned(),
                failure: "no packages\nmore".to_owned(),
                ..ToolRun::default()
            }],
            unread_files: vec![UnreadFile {
                path: "bad.js".to_owned(),
                tool: "oxlint 1".to_owned(),
                reason: "Unexpected token".to_owned(),
            }],
            ..AnalysisReport::default()
        };
        let text = summary(&report);
        assert!(text.contains("eslint: no packages\n"), "{text}");
        assert!(
            text.ends_with("bad.js: oxlint 1: Unexpected token"),
            "{text}"
        );
    }
}
