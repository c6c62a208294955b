//! A large project in parts of about the same size, and their reports as one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use prost_types::Duration;
use shim_proto::evolution::v1::{AnalysisReport, Coverage, Figures, Opportunity, Project, ToolRun};

use super::{hotspots, opportunities, summary};

/// Divides files, each with its size, into at most `parts` parts of about the same size: the largest first, each to what is
/// smallest so far. No part is empty. The same files give the same parts.
pub(crate) fn split(files: &[(String, u64)], parts: usize) -> Vec<Vec<String>> {
    let parts = parts.min(files.len());
    let mut largest: Vec<&(String, u64)> = files.iter().collect();
    largest.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    let mut split = vec![Vec::new(); parts];
    let mut sizes: BinaryHeap<Reverse<(u64, usize)>> =
        (0..parts).map(|part| Reverse((0, part))).collect();
    for (path, size) in largest {
        if let Some(Reverse((so_far, part))) = sizes.pop() {
            split[part].push(path.clone());
            // An empty file is work, too; so no part stays empty.
            sizes.push(Reverse((so_far + size + 1, part)));
        }
    }
    split.iter_mut().for_each(|part| part.sort_unstable());
    split
}

/// The reports of the parts of one project as one; at most `limit` opportunities, hotspots and figures, those of most weight.
pub(crate) fn merge(reports: Vec<AnalysisReport>, limit: usize) -> AnalysisReport {
    let mut merged = AnalysisReport::default();
    let mut ratings: BTreeMap<String, Opportunity> = BTreeMap::new();
    let mut cycles = BTreeSet::new();
    for report in reports {
        for opportunity in report.opportunities {
            combine(&mut ratings, opportunity);
        }
        cycles.extend(report.cycles.into_iter().map(|cycle| cycle.paths));
        merged.hotspots.extend(report.hotspots);
        merged.figures.extend(report.figures);
        merged.duplicates.extend(report.duplicates);
        merged.debt_markers.extend(report.debt_markers);
        merged.unread_files.extend(report.unread_files);
        merged.notes.extend(report.notes);
        merged.coverage = merged.coverage.take().or(report.coverage);
        merged.work_history = merged.work_history.take().or(report.work_history);
        merged.errors += report.errors;
        merged.warnings += report.warnings;
        merged.suppressed += report.suppressed;
        merged.duration = longer(merged.duration.take(), report.duration);
        merged.is_first_picture |= report.is_first_picture;
        if merged.analysis_id.is_empty() {
            merged.analysis_id = report.analysis_id;
        }
        merged.project = sum_of(merged.project.take(), report.project);
        report
            .tools
            .into_iter()
            .for_each(|run| add_run(&mut merged.tools, run));
    }
    merged.cycles = cycles
        .into_iter()
        .map(|paths| shim_proto::evolution::v1::ImportCycle { paths })
        .collect();
    merged.opportunities = ratings.into_values().collect();
    order(&mut merged, limit);
    merged.summary = summary::summary(&merged);
    merged
}

/// A part that sees more of it rates it better; what the others saw is evidence, too.
fn combine(ratings: &mut BTreeMap<String, Opportunity>, opportunity: Opportunity) {
    let id = opportunity.opportunity_id.clone();
    let Some(known) = ratings.get_mut(&id) else {
        ratings.insert(id, opportunity);
        return;
    };
    let (mut better, other) = if opportunity.score > known.score {
        (opportunity, std::mem::take(known))
    } else {
        (std::mem::take(known), opportunity)
    };
    for fact in other.evidence {
        if !better.evidence.contains(&fact) {
            better.evidence.push(fact);
        }
    }
    *known = better;
}

fn order(merged: &mut AnalysisReport, limit: usize) {
    opportunities::rank(&mut merged.opportunities);
    hotspots::sort(&mut merged.hotspots);
    sort_figures(&mut merged.figures);
    merged.hotspots.dedup();
    merged.figures.dedup();
    merged.duplicates.sort_by(|one, other| {
        let first = |duplicate: &shim_proto::evolution::v1::Duplicate| {
            duplicate
                .locations
                .first()
                .map(|place| (place.path.clone(), place.line))
        };
        other
            .tokens
            .cmp(&one.tokens)
            .then_with(|| first(one).cmp(&first(other)))
    });
    merged.duplicates.dedup();
    merged.unread_files.sort_by(|one, other| {
        (&one.path, &one.tool, &one.reason).cmp(&(&other.path, &other.tool, &other.reason))
    });
    merged.unread_files.dedup();
    merged.notes.sort_unstable();
    merged.notes.dedup();
    merged.opportunities.truncate(limit);
    merged.hotspots.truncate(limit);
    merged.figures.truncate(limit);
}

/// The most complex function first; equal ones by place.
pub(crate) fn sort_figures(figures: &mut [Figures]) {
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

fn add_run(tools: &mut Vec<ToolRun>, run: ToolRun) {
    let Some(known) = tools
        .iter_mut()
        .find(|known| known.tool == run.tool && known.version == run.version)
    else {
        tools.push(run);
        return;
    };
    known.files += run.files;
    known.cached_files += run.cached_files;
    known.duration = longer(known.duration.take(), run.duration);
    if known.failure.is_empty() {
        known.failure = run.failure;
    }
}

fn longer(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter()
        .chain(other)
        .max_by_key(|duration| (duration.seconds, duration.nanos))
}

/// Each part counts its own files; all else is the same.
fn sum_of(one: Option<Project>, other: Option<Project>) -> Option<Project> {
    match (one, other) {
        (Some(mut one), Some(other)) => {
            one.source_files += other.source_files;
            one.source_lines += other.source_lines;
            Some(one)
        }
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_hold_each_file_once_and_are_balanced(sizes in proptest::collection::vec(0_u64..100_000, 0..200), parts in 1_usize..12) {
            let files: Vec<(String, u64)> = sizes.iter().enumerate().map(|(at, size)| (format!("f{at:03}"), *size)).collect();
            let split = split(&files, parts);
            let mut all: Vec<String> = split.iter().flatten().cloned().collect();
            all.sort();
            prop_assert_eq!(all, files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>());
            prop_assert!(split.len() <= parts && split.iter().all(|part| !part.is_empty()));
            let by_path: BTreeMap<&String, u64> = files.iter().map(|(path, size)| (path, *size + 1)).collect();
            let weights: Vec<u64> = split.iter().map(|part| part.iter().map(|path| by_path[path]).sum()).collect();
            let largest_file = by_path.values().max().copied().unwrap_or(0);
            let spread = weights.iter().max().copied().unwrap_or(0) - weights.iter().min().copied().unwrap_or(0);
            prop_assert!(spread <= largest_file);
        }
    }

    #[test]
    fn what_two_parts_saw_is_one_opportunity() {
        let report = |score: f64, text: &str, file: &str| AnalysisReport {
            errors: 1,
            opportunities: vec![Opportunity {
                opportunity_id: "x".to_owned(),
                score,
                evidence: vec![shim_proto::evolution::v1::Evidence {
                    text: text.to_owned(),
                    ..Default::default()
                }],
                ..Opportunity::default()
            }],
            figures: vec![Figures {
                path: file.to_owned(),
                cyclomatic: score,
                ..Figures::default()
            }],
            tools: vec![ToolRun {
                tool: "eslint".to_owned(),
                files: 2,
                ..ToolRun::default()
            }],
            project: Some(Project {
                source_files: 2,
                ..Project::default()
            }),
            ..AnalysisReport::default()
        };
        let merged = merge(vec![report(1.0, "one", "a"), report(2.0, "two", "b")], 1);
        assert_eq!(
            (
                merged.errors,
                merged.opportunities.len(),
                merged.figures.len()
            ),
            (2, 1, 1)
        );
        assert_eq!(
            (
                merged.opportunities[0].score,
                merged.opportunities[0].evidence.len()
            ),
            (2.0, 2)
        );
        assert_eq!((merged.tools.len(), merged.tools[0].files), (1, 4));
        assert_eq!(merged.project.unwrap().source_files, 4);
        assert_eq!(merged.figures[0].path, "b");
    }
}
