//! A large project is pictured before all of it is measured.

use super::*;

const FILES: usize = 320;

fn large() -> Bench {
    let bench = Bench::new(&[]);
    for at in 0..FILES {
        let text = format!("export const n{at} = (a) => (a ? {at} : -{at});\n");
        bench.write(&format!("src/f{at:03}.js"), &text);
    }
    bench.git(&["init", "-q"]);
    bench.git(&["add", "-A"]);
    bench.git(&["commit", "-q", "-m", "one"]);
    for at in 0..3 {
        let cases: String = (0..12)
            .map(|case| format!("  if (a === {case} && b > {at}) return {case};\n"))
            .collect();
        let text = format!("export function busy(a, b) {{\n{cases}  debugger;\n}}\n");
        bench.write("src/f319.js", &text);
        bench.git(&["commit", "-q", "-a", "-m", "again"]);
    }
    bench
}

#[tokio::test]
async fn a_large_project_is_pictured_by_the_files_that_changed_most() {
    let bench = large();
    let first = AnalysisOptions {
        first_picture_only: true,
        limit: 20,
        ..AnalysisOptions::default()
    };
    let alone = bench.analyze_with(false, first).await.unwrap().report;
    assert!(alone.is_first_picture);
    let notes = alone.notes.join("\n");
    assert!(notes.contains("figures are of the 150 files"), "{notes}");
    assert_eq!(alone.hotspots[0].path, "src/f319.js");
    assert!(alone.errors + alone.warnings > 0);

    // The whole analysis is the same, whether it was pictured before or not.
    let whole = large().analyze(false).await;
    let pictured = whole.first_picture.as_ref().unwrap();
    assert!(
        pictured
            .notes
            .join("\n")
            .contains("figures are of the 150 files")
    );
    assert!(
        !whole.notes().contains("figures are of"),
        "{}",
        whole.notes()
    );
    let asked = whole.tool("oxlint");
    assert_eq!((asked.files, asked.cached_files), (FILES as u64, 0));
    assert_eq!(whole.tool("git").failure, "");
    let after = bench.analyze(false).await;
    assert_eq!(after.findings, whole.findings);
    assert_eq!(after.report.hotspots, whole.report.hotspots);
    let counts = |it: &AnalysisReport| (it.errors, it.warnings);
    assert_eq!(counts(&after.report), counts(&whole.report));
}
