//! A report from what is known so far.

use std::collections::BTreeSet;
use std::sync::Arc;

use prost_types::Duration;
use shim_proto::evolution::v1::{
    AnalysisReport, DebtMarker, Duplicate, Figures, Finding, Hotspot, ImportCycle, Location,
    Opportunity, Project, Severity, ToolRun, UnreadFile,
};

use crate::domain::analysis::coverage::CoverageFacts;
use crate::domain::analysis::cycles::{self, Imports};
use crate::domain::analysis::duplicates::{self, Source};
use crate::domain::analysis::facts::FileFacts;
use crate::domain::analysis::history::History;
use crate::domain::analysis::opportunities::{Picture, opportunities};
use crate::domain::analysis::places::by_place;
use crate::domain::analysis::{hotspots, summary};

/// The most duplicates and markers in a report, whatever its limit.
const MAX_LISTED: usize = 500;

/// A file with its facts.
pub(super) struct Fact {
    pub(super) path: String,
    pub(super) is_chosen: bool,
    pub(super) facts: Arc<FileFacts>,
}

/// What the code itself tells; it stays the same in the first picture and in the report.
#[derive(Default)]
pub(super) struct CodeFacts {
    pub(super) files: Vec<Fact>,
    pub(super) cycles: Vec<ImportCycle>,
    pub(super) duplicates: Vec<Duplicate>,
    pub(super) coverage: Option<CoverageFacts>,
    pub(super) history: Arc<History>,
    pub(super) limit: usize,
    pub(super) project: Project,
}

/// What the tools told until now.
#[derive(Default)]
pub(super) struct ToolResults {
    pub(super) findings: Vec<Finding>,
    pub(super) unread: Vec<UnreadFile>,
    pub(super) tools: Vec<ToolRun>,
    pub(super) notes: Vec<String>,
    pub(super) is_first_picture: bool,
}

/// A report with its findings, sorted.
pub(super) fn report(
    code: &CodeFacts,
    mut results: ToolResults,
    analysis_id: &str,
) -> (AnalysisReport, Vec<Finding>) {
    results.sort();
    let lists = lists(code, &results.findings);
    let duplicates = &code.duplicates;
    results.note_cut(
        "duplicates",
        &format!("{MAX_LISTED} largest"),
        duplicates.len(),
    );
    results.note_cut(
        "markers of debt",
        &format!("first {MAX_LISTED}"),
        lists.markers.len(),
    );
    let coverage = code.coverage.as_ref();
    let mut report = AnalysisReport {
        analysis_id: analysis_id.to_owned(),
        project: Some(code.project.clone()),
        is_first_picture: results.is_first_picture,
        opportunities: first(lists.opportunities, code.limit),
        hotspots: first(lists.hotspots, code.limit),
        figures: first(lists.functions, code.limit),
        cycles: code.cycles.clone(),
        duplicates: duplicates.iter().take(MAX_LISTED).cloned().collect(),
        debt_markers: first(lists.markers, MAX_LISTED),
        coverage: coverage.map(|coverage| coverage.total.clone()),
        unread_files: results.unread,
        tools: results.tools,
        notes: results.notes,
        ..AnalysisReport::default()
    };
    count(&mut report, &results.findings);
    report.summary = summary::summary(&report);
    (report, results.findings)
}

impl ToolResults {
    fn sort(&mut self) {
        self.findings.sort_by(by_place);
        self.unread
            .sort_by(|one, other| (&one.path, &one.tool).cmp(&(&other.path, &other.tool)));
        self.unread.dedup();
    }

    /// Notes that a list is longer than a report shows.
    fn note_cut(&mut self, what: &str, which: &str, length: usize) {
        if length > MAX_LISTED {
            self.notes
                .push(format!("of {length} {what} the {which} are listed"));
        }
    }
}

/// The lists of a report before they are cut.
struct Lists {
    functions: Vec<Figures>,
    hotspots: Vec<Hotspot>,
    markers: Vec<DebtMarker>,
    opportunities: Vec<Opportunity>,
}

fn lists(code: &CodeFacts, findings: &[Finding]) -> Lists {
    let mut functions = function_figures(code);
    sort_figures(&mut functions);
    let hotspots = hotspots::hotspots(&file_figures(code), &code.history);
    let markers = markers(code);
    let picture = Picture {
        functions: &functions,
        old_forms: chosen(code)
            .map(|fact| (fact.path.as_str(), &fact.facts.old_forms[..]))
            .collect(),
        markers: &markers,
        hotspots: &hotspots,
        findings,
        cycles: &code.cycles,
        duplicates: &code.duplicates,
        coverage: code.coverage.as_ref(),
    };
    let opportunities = opportunities(&picture);
    Lists {
        functions,
        hotspots,
        markers,
        opportunities,
    }
}

fn first<T>(mut list: Vec<T>, most: usize) -> Vec<T> {
    list.truncate(most);
    list
}

fn count(report: &mut AnalysisReport, findings: &[Finding]) {
    for finding in findings {
        match (finding.suppression.is_empty(), finding.severity()) {
            (false, _) => report.suppressed += 1,
            (true, Severity::Error) => report.errors += 1,
            (true, Severity::Warning) => report.warnings += 1,
            (true, _) => {}
        }
    }
}

fn chosen(code: &CodeFacts) -> impl Iterator<Item = &Fact> {
    code.files.iter().filter(|fact| fact.is_chosen)
}

fn file_figures(code: &CodeFacts) -> Vec<Figures> {
    let files = chosen(code).map(|fact| Figures {
        path: fact.path.clone(),
        ..fact.facts.file.clone()
    });
    files.collect()
}

fn function_figures(code: &CodeFacts) -> Vec<Figures> {
    let functions = chosen(code).flat_map(|fact| {
        let functions = fact.facts.functions.iter();
        functions.map(|figures| Figures {
            path: fact.path.clone(),
            ..figures.clone()
        })
    });
    functions.collect()
}

/// Circles that a chosen file is in.
pub(super) fn chosen_cycles(files: &[Fact], graph: &Imports) -> Vec<ImportCycle> {
    let chosen = chosen_paths(files);
    let mut cycles = cycles::cycles(graph);
    cycles.retain(|cycle| {
        cycle
            .paths
            .iter()
            .any(|path| chosen.contains(path.as_str()))
    });
    cycles
}

/// Duplicates that a chosen file is in.
pub(super) fn chosen_duplicates(files: &[Fact]) -> Vec<Duplicate> {
    let sources: Vec<Source<'_>> = files
        .iter()
        .map(|fact| Source {
            path: &fact.path,
            tokens: &fact.facts.tokens,
        })
        .collect();
    let chosen = chosen_paths(files);
    let mut duplicates = duplicates::duplicates(&sources);
    duplicates.retain(|duplicate| {
        duplicate
            .locations
            .iter()
            .any(|place| chosen.contains(place.path.as_str()))
    });
    duplicates
}

fn chosen_paths(files: &[Fact]) -> BTreeSet<&str> {
    let chosen = files.iter().filter(|fact| fact.is_chosen);
    chosen.map(|fact| fact.path.as_str()).collect()
}

fn markers(code: &CodeFacts) -> Vec<DebtMarker> {
    let of_file = |fact: &Fact| {
        let markers = fact.facts.markers.iter().map(|marker| DebtMarker {
            marker: marker.word.clone(),
            text: marker.text.clone(),
            location: Some(Location {
                path: fact.path.clone(),
                line: marker.line,
                column: marker.column,
                end_line: marker.line,
                end_column: marker.end_column,
            }),
            since: None,
        });
        markers.collect::<Vec<_>>()
    };
    chosen(code).flat_map(of_file).collect()
}

/// A time span as the contract has it.
pub(super) fn duration(span: std::time::Duration) -> Duration {
    Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(span.subsec_nanos()).unwrap_or(0),
    }
}

/// The most complex function first; equal ones by place.
fn sort_figures(figures: &mut [Figures]) {
    figures.sort_by(|one, other| {
        let complex = other
            .cyclomatic
            .total_cmp(&one.cyclomatic)
            .then_with(|| other.cognitive.total_cmp(&one.cognitive));
        complex.then_with(|| {
            (&one.path, one.start_line, &one.function).cmp(&(
                &other.path,
                other.start_line,
                &other.function,
            ))
        })
    });
}
