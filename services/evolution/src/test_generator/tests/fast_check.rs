//! Properties in a project that has fast-check.

use super::*;

/// What a generation proposes for the project.
async fn proposed(lab: &Lab, root: &Path) -> String {
    let report = lab.generate(root, 20).await.unwrap();
    lines(&report);
    lab.no_copy_is_left();
    report.evolution.unwrap().files.remove(0).diff
}

#[tokio::test]
async fn properties_are_written_with_fast_check_and_a_fixed_seed_where_the_project_has_it() {
    let lab = Lab::new();
    let root = lab.fixture("node-esm");
    let without = proposed(&lab, &root).await;
    assert!(!without.contains("fast-check"), "{without}");
    let tools = lab
        .host
        .tools_dir(&ProgressSink::none(), &CancellationToken::new())
        .await
        .unwrap();
    std::fs::create_dir(root.join("node_modules")).unwrap();
    let package = tools.join("node_modules/fast-check");
    std::os::unix::fs::symlink(package, root.join("node_modules/fast-check")).unwrap();
    let with = proposed(&lab, &root).await;
    for words in [
        "import fc from 'fast-check';",
        "fc.assert(",
        "fc.property(",
        "seed: ",
    ] {
        assert!(with.contains(words), "{words}: {with}");
    }
    assert_eq!(
        proposed(&lab, &root).await,
        with,
        "the same seed makes the same tests"
    );
}
