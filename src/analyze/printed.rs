//! What the command prints, as snapshots: the documentation of its output.

use insta::assert_snapshot;
use shim_proto::evolution::v1::{
    AnalysisReport, DeathPlace, Evidence, Finding, Hotspot, KindRecord, Location, Opportunity,
    RepeatedStep, Severity, ToolRun, UnreadFile, WorkHistory,
};

use super::report;
use crate::samples::{both_faces, printed};

fn at(path: &str) -> Option<Location> {
    Some(Location {
        path: path.into(),
        line: 12,
        column: 3,
        ..Location::default()
    })
}

#[test]
fn report() {
    let report = AnalysisReport {
        summary: "12 files, 900 lines.\nMost would be gained in src/price.js.".into(),
        opportunities: vec![Opportunity {
            title: "Split total: it decides 14 times\nerror: no".into(),
            location: at("src/price.js"),
            score: 0.8,
            evidence: vec![Evidence {
                tool: "big-code-analysis 2.4.0".into(),
                text: "cyclomatic complexity 14".into(),
                location: None,
            }],
            transform: "early-return".into(),
            ..Opportunity::default()
        }],
        hotspots: vec![Hotspot {
            path: "src/price.js".into(),
            commits: 31,
            authors: 2,
            cyclomatic: 60.0,
            score: 0.97,
            ..Hotspot::default()
        }],
        unread_files: vec![UnreadFile {
            path: "src/broken.js".into(),
            tool: "eslint 10.15.0".into(),
            reason: "Parsing error: Unexpected token".into(),
        }],
        tools: vec![
            ToolRun {
                tool: "eslint".into(),
                version: "10.15.0".into(),
                files: 12,
                cached_files: 11,
                ..ToolRun::default()
            },
            ToolRun {
                tool: "tsc".into(),
                version: "7.0.2".into(),
                failure: "it took longer than 60 s".into(),
                ..ToolRun::default()
            },
        ],
        work_history: Some(WorkHistory {
            kinds: vec![KindRecord {
                kind: "lint".into(),
                completed: 8,
                failed: 2,
                attempts: 14,
                main_failure: "TIMED_OUT".into(),
            }],
            repeated_steps: vec![RepeatedStep {
                step: "run the tests".into(),
                sessions: 3,
                times: 9,
            }],
            deaths: vec![DeathPlace {
                cause: "killed".into(),
                sessions: 2,
                median_tokens: 160_000,
                task: "refactor the parser".into(),
            }],
        }),
        ..AnalysisReport::default()
    };
    assert_snapshot!(both_faces(&report, |out| report::print(&report, out)));
    let findings = [Finding {
        tool: "eslint 10.15.0".into(),
        rule: "no-var".into(),
        severity: Severity::Warning.into(),
        message: "Unexpected var,\nuse let".into(),
        location: at("src/price.js"),
        ..Finding::default()
    }];
    assert_snapshot!(
        "findings",
        printed(|out| report::print_findings(&findings, out))
    );
}
