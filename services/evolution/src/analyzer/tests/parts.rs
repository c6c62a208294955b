//! An analysis in parts tells what one in one piece tells.

use super::*;
use crate::domain::analysis::shares::Share;

const PARTS: u32 = 8;

/// A project whose cycles, duplicates and types go across folders, and so across parts.
fn project() -> Bench {
    let mut bench = Bench::new(&[
        ("package.json", r#"{"name": "wide", "type": "module"}"#),
        (
            "tsconfig.json",
            r#"{"compilerOptions": {"strict": true, "target": "es2022", "module": "esnext", "moduleResolution": "bundler"}, "include": ["m*"]}"#,
        ),
        ("lib/broken.js", "function ( {\n"),
    ]);
    for at in 0..24 {
        let next = (at + 1) % 24;
        let branches: String = (0..12)
            .map(|case| format!("  if (x === {case} && y > {case}) {{ total += {case} * y; }}\n"))
            .collect();
        let text = format!(
            "import {{ f{next} }} from '../m{next}/index';\nvar unused = 1; // TODO: {at}\nexport function f{at}(x: number, y: number): string {{\n  let total = 0;\n{branches}  debugger;\n  return total;\n}}\nexport const g{at} = () => f{next};\n"
        );
        bench.write(&format!("m{at}/index.ts"), &text);
    }
    bench.git(&["init", "-q"]);
    bench.git(&["add", "."]);
    bench.git(&["commit", "-qm", "one"]);
    bench.restart();
    bench
}

/// A report without what differs from run to run.
fn timeless(mut report: AnalysisReport) -> AnalysisReport {
    report.analysis_id.clear();
    report.duration = None;
    report.summary.clear();
    for run in &mut report.tools {
        (run.duration, run.cached_files) = (None, 0);
    }
    report.tools.sort_by(|one, other| one.tool.cmp(&other.tool));
    report
}

async fn part(bench: &Bench, part: u32) -> PartAnswers {
    let project = Project::open(&bench.root, &[], &Trust(true)).await.unwrap();
    let options = AnalysisOptions {
        share: Some(Share { part, parts: PARTS }),
        ..AnalysisOptions::default()
    };
    let (sender, mut events) = mpsc::channel(1_000);
    let cancel = CancellationToken::new();
    let working = analyze_part(&bench.context, &project, options, sender, &cancel);
    let draining = async { while events.recv().await.is_some() {} };
    let (told, ()) = tokio::join!(working, draining);
    told.unwrap()
}

#[tokio::test]
async fn parts_and_the_whole_after_them_tell_what_one_analysis_tells() {
    let mut bench = project();
    let mut told = Vec::new();
    for at in 1..=PARTS {
        let answers = part(&bench, at).await;
        // As a task hands it on to one in another process.
        let text = answers.to_text(1 << 20).unwrap();
        told.push(PartAnswers::from_text(&text).unwrap());
    }
    let files: usize = told.iter().map(PartAnswers::files).sum();
    assert_eq!(files, 25);
    assert!(
        told.iter().all(|part| part.files() < 6),
        "shares are uneven"
    );
    let options = AnalysisOptions {
        with_findings: true,
        limit: 50,
        known: told,
        ..AnalysisOptions::default()
    };
    let merged = bench.analyze_with(true, options.clone()).await.unwrap();
    assert_eq!(merged.linted(), 0, "the parts asked for all of it");
    assert_eq!(merged.report.cycles.len(), 1);
    assert!(!merged.report.duplicates.is_empty() && !merged.report.opportunities.is_empty());

    std::fs::remove_dir_all(bench.tools.path("data")).unwrap();
    bench.restart();
    let options = AnalysisOptions {
        known: Vec::new(),
        ..options
    };
    let unsplit = bench.analyze_with(true, options).await.unwrap();
    assert_eq!(unsplit.linted(), 25);
    assert!(unsplit.findings.len() > 24);
    assert_eq!(merged.findings, unsplit.findings);
    assert_eq!(timeless(merged.report), timeless(unsplit.report));
}

#[tokio::test]
async fn what_changed_since_its_part_was_asked_is_asked_again() {
    let bench = project();
    let told = vec![part(&bench, 1).await];
    let (first, some) = (told[0].files() as u64, &told[0]);
    assert!(first > 0 && some.failure().is_empty());
    let changed = (0..24).map(|at| format!("m{at}/index.ts"));
    for path in changed {
        bench.write(&path, "export const now = 1;\n");
    }
    let options = AnalysisOptions {
        with_findings: true,
        limit: 20,
        known: told,
        ..AnalysisOptions::default()
    };
    let answer = bench.analyze_with(true, options).await.unwrap();
    assert!(answer.linted() >= 24, "{}", answer.linted());
    let stale = |finding: &Finding| finding.rule.ends_with("no-debugger");
    assert!(!answer.findings.iter().any(stale));
}
