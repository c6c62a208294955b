//! What a person reads in a minute.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use shim_proto::evolution::v1::{AnalysisReport, Project};
use shim_render::figures::count;
use shim_render::text::{name, one_line};

/// How many of each are named.
const NAMED: usize = 5;
/// Characters of a name or path.
const MAX_NAME: usize = 160;
/// Characters of what a tool says.
const MAX_SAID: usize = 300;

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
    let own = if project.name.is_empty() {
        &project.root
    } else {
        &project.name
    };
    let own = name(own, MAX_NAME);
    let early = if report.is_first_picture {
        "; a first picture, slower tools still run"
    } else {
        ""
    };
    let _ = writeln!(
        text,
        "{own}: {}, {}{early}.",
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
                name(&coverage.report, MAX_NAME),
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
            name(&function.function, MAX_NAME),
            name(&function.path, MAX_NAME),
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
            name(&hotspot.path, MAX_NAME),
            hotspot.commits,
            hotspot.authors,
            hotspot.cyclomatic
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
            one_line(&opportunity.title, MAX_NAME),
            name(&place.path, MAX_NAME),
            place.line
        );
    }
}

fn missing(report: &AnalysisReport, text: &mut String) {
    for run in report.tools.iter().filter(|run| !run.failure.is_empty()) {
        let failure = run.failure.lines().next().unwrap_or_default();
        let failure = one_line(failure, MAX_SAID);
        let _ = writeln!(text, "{}: {failure}", run.tool);
    }
    for note in &report.notes {
        let _ = writeln!(text, "Note: {}.", one_line(note, MAX_SAID));
    }
    let paths = report.unread_files.iter().map(|file| &file.path);
    let unread: BTreeSet<_> = paths.collect();
    if !unread.is_empty() {
        let _ = writeln!(
            text,
            "{} without a full answer, for example:",
            count(unread.len() as u64, "file")
        );
    }
    for file in report.unread_files.iter().take(NAMED) {
        let tool = if file.tool.is_empty() {
            String::new()
        } else {
            format!("{}: ", file.tool)
        };
        let reason = file.reason.lines().next().unwrap_or_default();
        let reason = one_line(reason, MAX_SAID);
        let _ = writeln!(text, "  {}: {tool}{reason}", name(&file.path, MAX_NAME));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shim_proto::evolution::v1::{ToolRun, UnreadFile};

    #[test]
    fn names_of_others_begin_no_line() {
        let project = Project {
            name: "p\n0 errors, all is well".to_owned(),
            ..Project::default()
        };
        let report = AnalysisReport {
            project: Some(project),
            unread_files: vec![UnreadFile {
                path: "a\u{2028}b\nc.js".to_owned(),
                ..UnreadFile::default()
            }],
            ..AnalysisReport::default()
        };
        let text = summary(&report);
        assert!(!text.contains("\n0 errors, all"), "{text}");
        assert!(
            !text.contains("\nc.js") && !text.contains('\u{2028}'),
            "{text}"
        );
    }

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
