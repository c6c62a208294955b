//! A person at the command line.

use super::CodeEnv;

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_analyzed_evolved_approved_and_taken_back() {
    let env = CodeEnv::new().await;
    let report = &env.json(&["analyze", ".", "--json"]).await[0];
    assert_eq!(report["project"]["name"], "ranges");
    assert!(!report["summary"].as_str().unwrap().is_empty());
    let sarif = env.said(&["analyze", ".", "--sarif"]).await;
    let sarif: serde_json::Value = serde_json::from_str(&sarif).unwrap();
    assert_eq!(sarif["version"], "2.1.0");

    let proposed = env
        .json(&["evolve", ".", "--transform", "var-to-let-const", "--json"])
        .await;
    let id = proposed[0]["evolution"]["evolutionId"].as_str().unwrap();
    let short = &id[28..];
    env.assert_untouched();

    // Its tests are code of the project.
    assert!(env.said(&["trust", "."]).await.contains("may run"));
    let diff = env.said(&["evolve", "show", short, "--diff"]).await;
    assert!(diff.contains("+const limit = 10;\r\n"), "{diff:?}");
    let approved = env.said(&["evolve", "approve", short]).await;
    assert!(approved.contains("committed on branch"), "{approved}");
    env.assert_untouched();

    let shown = &env.json(&["evolve", "show", short, "--json"]).await[0]["evolution"];
    let branch = shown["branch"].as_str().unwrap();
    let committed = env.git(&["show", &format!("{branch}:src/ranges.js")]);
    let expected = super::SOURCE.replace("var ", "const ");
    assert_eq!(committed, expected);

    let patterns = env.said(&["patterns", "."]).await;
    assert!(patterns.contains("var-to-let-const"), "{patterns}");
    env.said(&["evolve", "revert", short]).await;
    let listed = env
        .said(&["evolve", "list", ".", "--state", "reverted"])
        .await;
    assert!(listed.contains(short), "{listed}");
    let again = env.shim(&["evolve", "approve", short]).await;
    let refused = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(
        !again.status.success() && refused.contains("EVOLUTION_STATE"),
        "{refused}"
    );
    env.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn code_of_a_project_that_nobody_trusts_does_not_run() {
    let env = CodeEnv::new().await;
    let witness = env.temp.root().join("witness");
    let config = format!(
        "require('node:fs').writeFileSync({:?}, 'ran'); module.exports = [];",
        super::text(&witness)
    );
    std::fs::write(env.root().join("eslint.config.js"), config).unwrap();
    env.said(&["analyze", "."]).await;
    assert!(!witness.exists());
    let refused = env.shim(&["generate-tests", "."]).await;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && told.contains("PROJECT_NOT_TRUSTED"),
        "{told}"
    );
    assert!(told.contains("shim trust PATH"), "{told}");
    env.said(&["trust", ".", "--revoke"]).await;
    let refused = env.shim(&["generate-tests", "."]).await;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("PROJECT_DISTRUSTED"), "{told}");
    env.said(&["trust", "."]).await;
    env.said(&["analyze", "."]).await;
    assert!(
        witness.exists(),
        "its configuration runs once it is trusted"
    );
}
