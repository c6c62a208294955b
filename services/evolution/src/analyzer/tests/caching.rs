//! What is asked anew after each kind of change, and what is not: stricter than ESLint's own cache.

use std::fs::File;

use super::*;

const PLUGIN: &str = "module.exports = { meta: { name: 'p', version: '1.0.0' }, rules: { r: { create: (c) => ({ Identifier(node) { if (node.name === 'WORD') c.report({ node, message: 'found' }); } }) } } };";

fn bench() -> Bench {
    let bench = Bench::new(&[
        ("package.json", "{}"),
        (
            "eslint.config.cjs",
            "module.exports = [{ plugins: { unicorn: require('p') }, rules: { 'unicorn/r': 'error', 'no-var': 'error' } }];\n",
        ),
        (
            "node_modules/p/package.json",
            r#"{"name": "p", "version": "1.0.0"}"#,
        ),
        ("node_modules/p/index.js", &PLUGIN.replace("WORD", "one")),
        ("a.js", "var one = two;\n"),
        ("b.js", "two();\n"),
    ]);
    bench.git(&["init", "-q"]);
    bench
}

/// `a.js`, `b.js` and the configuration.
const ALL: u64 = 3;

#[tokio::test]
async fn each_change_asks_for_what_hangs_on_it() {
    let mut bench = bench();
    let first = bench.analyze(true).await;
    assert_eq!(first.linted(), ALL);
    assert_eq!(first.of("eslint").count(), 2);

    // Nothing changed: nothing runs, here and in another process.
    for _ in 0..2 {
        let again = bench.analyze(true).await;
        assert_eq!(again.linted(), 0);
        assert_eq!(again.findings, first.findings);
        assert!(again.first_picture.is_none());
        bench.restart();
    }

    // A touched file has the same content.
    let file = |path: &str| {
        File::options()
            .write(true)
            .open(bench.root.join(path))
            .unwrap()
    };
    file("a.js")
        .set_modified(std::time::SystemTime::now())
        .unwrap();
    assert_eq!(bench.analyze(true).await.linted(), 0);

    // Another content of the same size and time is another content.
    let written = bench
        .root
        .join("a.js")
        .metadata()
        .unwrap()
        .modified()
        .unwrap();
    bench.write("a.js", "let one = two;\n");
    file("a.js").set_modified(written).unwrap();
    let changed = bench.analyze(true).await;
    assert_eq!((changed.linted(), changed.of("eslint").count()), (1, 1));

    // A plugin's code under its old version.
    bench.write("node_modules/p/index.js", &PLUGIN.replace("WORD", "two"));
    let changed = bench.analyze(true).await;
    assert_eq!((changed.linted(), changed.of("eslint").count()), (ALL, 2));

    // A comment in the configuration; a rule; `git` alone does not matter.
    let config = bench.root.join("eslint.config.cjs");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("// why\n{text}")).unwrap();
    assert_eq!(bench.analyze(true).await.linted(), ALL);
    std::fs::write(
        &config,
        text.replace("'unicorn/r': 'error'", "'unicorn/r': 'off'"),
    )
    .unwrap();
    let changed = bench.analyze(true).await;
    assert_eq!((changed.linted(), changed.of("eslint").count()), (ALL, 0));
    bench.git(&["add", "a.js"]);
    bench.git(&["commit", "-qm", "one"]);
    assert_eq!(bench.analyze(true).await.linted(), 0);

    // Trust decides whose configuration is used.
    assert_eq!(bench.analyze(false).await.linted(), ALL);
}

#[tokio::test]
async fn rules_of_an_unknown_plugin_may_look_at_other_files() {
    let bench = bench();
    bench.write("eslint.config.cjs", "module.exports = [{ plugins: { import: require('p') }, rules: { 'import/r': 'error' } }];\n");
    assert_eq!(bench.analyze(true).await.linted(), ALL);
    bench.write("b.js", "three();\n");
    assert_eq!(bench.analyze(true).await.linted(), ALL);
}

#[tokio::test]
async fn answers_about_a_part_and_about_the_whole_share_what_they_know() {
    let bench = bench();
    let options = AnalysisOptions {
        include: vec!["a.js".to_owned()],
        with_findings: true,
        limit: 20,
        ..AnalysisOptions::default()
    };
    let part = bench.analyze_with(true, options).await.unwrap();
    assert_eq!(part.linted(), 1);
    assert!(
        part.findings
            .iter()
            .all(|finding| path_of(finding) == "a.js")
    );
    assert_eq!(part.report.project.as_ref().unwrap().source_files, 1);
    let whole = bench.analyze(true).await;
    assert_eq!(whole.linted(), ALL - 1);
}

#[tokio::test]
async fn a_tool_that_failed_is_asked_again() {
    let bench = bench();
    bench.write("eslint.config.cjs", "process.kill(process.pid, 'SIGKILL');");
    let failed = bench.analyze(true).await;
    assert_ne!(failed.tool("eslint").failure, "");
    assert!(
        failed.report.summary.contains("eslint: "),
        "{}",
        failed.report.summary
    );
    bench.write("eslint.config.cjs", "module.exports = [];");
    assert_eq!(bench.analyze(true).await.tool("eslint").failure, "");
}
