//! What transforms say and do, by their tables.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_transform_that_leaves_every_place_says_why() {
    let fixture = Fixture::new(&[
        ("package.json", MANIFEST),
        (
            "a.js",
            "exports.f = (a) => 'x' + a;\nexports.g = (b) => b + 'y';\n",
        ),
    ]);
    let made = fixture
        .propose(&["concat-to-template", "dead-code"])
        .await
        .unwrap();
    assert!(made.evolutions.is_empty(), "{made:?}");
    let [refused] = made.summary.refused.as_slice() else {
        panic!("{:?}", made.summary.refused)
    };
    assert_eq!(
        (refused.transform.as_str(), refused.places),
        ("concat-to-template", 2)
    );
    assert!(
        refused.examples[0].reason.contains("may be an object"),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_and_method_holds_its_table() {
    let fixture = Fixture::empty();
    let tools = fixture
        .evolver
        .host
        .tools_dir(&ProgressSink::none(), &fixture.cancel)
        .await
        .unwrap();
    let node = fixture.evolver.host.node().await.unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transforms");
    let mut command = Command::new(node);
    command
        .args(["--test", "--test-reporter=tap"])
        .arg(&folder)
        .env("SHIM_TOOLS_DIR", tools);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed: Vec<&str> = said
        .lines()
        .filter(|line| line.trim_start().starts_with("not ok"))
        .collect();
    assert!(output.status.success() && failed.is_empty(), "{failed:#?}");
    let passed = said
        .lines()
        .find_map(|line| line.strip_prefix("# pass "))
        .unwrap();
    assert!(passed.parse::<usize>().unwrap() > 400, "{passed}");
}
