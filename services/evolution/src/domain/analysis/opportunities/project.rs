//! Opportunities in the project as a whole: circles of imports, hot files without tests.

use shim_proto::evolution::v1::{Hotspot, ImportCycle, Opportunity};

use super::draft::{Draft, MAX_EVIDENCE, evidence, float, saturating};
use super::picture::Picture;
use crate::domain::analysis::coverage::CoverageFacts;
use crate::domain::analysis::places::whole_line;

/// A hot file with less is worth tests.
const LITTLE_COVERAGE: f64 = 0.6;
/// Only files above this heat are told for want of tests.
const HOT: f64 = 0.3;

pub(super) fn add(picture: &Picture<'_>, into: &mut Vec<Opportunity>) {
    let heat = picture.heat();
    for cycle in picture.cycles {
        let hottest = cycle
            .paths
            .iter()
            .filter_map(|path| heat.get(path.as_str()).copied());
        into.extend(circle(cycle, hottest.fold(0.0, f64::max)));
    }
    if let Some(coverage) = picture.coverage {
        let hot = picture
            .hotspots
            .iter()
            .filter(|hotspot| hotspot.score >= HOT);
        into.extend(hot.filter_map(|hotspot| untested(hotspot, coverage)));
    }
}

fn circle(cycle: &ImportCycle, heat: f64) -> Option<Opportunity> {
    let first = cycle.paths.first()?;
    let length = cycle.paths.len();
    let places = cycle
        .paths
        .iter()
        .enumerate()
        .take(MAX_EVIDENCE)
        .map(|(at, path)| {
            let next = &cycle.paths[(at + 1) % length];
            evidence(
                "imports",
                format!("imports {next}"),
                Some(whole_line(path, 1, 0)),
            )
        });
    let identity: Vec<&str> = cycle.paths.iter().map(String::as_str).collect();
    let draft = Draft {
        kind: "cycle",
        identity: &identity,
        title: format!("{length} modules import each other in a circle"),
        location: whole_line(first, 1, 0),
        impact: 0.35 + 0.35 * saturating(float(length), 6.0) + 0.2 * heat,
        confidence: 0.7,
        effort: 0.2 + float(length) / 20.0,
        evidence: places.collect(),
        transform: "",
    };
    Some(draft.finish())
}

fn untested(hotspot: &Hotspot, coverage: &CoverageFacts) -> Option<Opportunity> {
    let lines = coverage.files.get(&hotspot.path).copied()?;
    if lines >= LITTLE_COVERAGE {
        return None;
    }
    let changes = format!(
        "{} commits, cyclomatic complexity {}",
        hotspot.commits, hotspot.cyclomatic
    );
    let covered = format!("{:.0} % of its lines are covered", lines * 100.0);
    let place = whole_line(&hotspot.path, 1, 0);
    let draft = Draft {
        kind: "coverage",
        identity: &[&hotspot.path],
        title: format!("test {}: it changes often, and {covered}", hotspot.path),
        location: place.clone(),
        impact: (1.0 - lines) * (0.4 + 0.5 * hotspot.score),
        confidence: if coverage.total.is_stale { 0.4 } else { 0.8 },
        effort: 0.2 + hotspot.cyclomatic / 300.0,
        evidence: vec![
            evidence("git", changes, Some(place)),
            evidence(&coverage.total.report, covered.clone(), None),
        ],
        transform: "",
    };
    Some(draft.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use shim_proto::evolution::v1::Coverage;

    #[test]
    fn a_hot_file_without_tests_is_told_and_a_covered_one_is_not() {
        let hotspots = ["hot.js", "tested.js", "unknown.js"].map(|path| Hotspot {
            path: path.to_owned(),
            score: 0.9,
            cyclomatic: 30.0,
            commits: 9,
            ..Hotspot::default()
        });
        let coverage = CoverageFacts {
            total: Coverage::default(),
            files: [("hot.js".to_owned(), 0.1), ("tested.js".to_owned(), 0.9)].into(),
        };
        let picture = Picture {
            hotspots: &hotspots,
            coverage: Some(&coverage),
            ..Picture::default()
        };
        let found = super::super::opportunities(&picture);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].kind.as_str(), found[0].evidence.len()),
            ("coverage", 2)
        );
        assert!(found[0].title.contains("hot.js"));
    }
}
