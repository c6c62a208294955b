//! What becomes of a proposal once somebody approved it.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_becomes_a_commit_on_a_branch_and_is_taken_back() {
    let fixture = Fixture::usual();
    let before = fixture.tree();
    let evolution = fixture.proposed("var-to-let-const").await;
    assert_eq!(evolution.state(), EvolutionState::Proposed);
    let [file] = evolution.files.as_slice() else {
        panic!("{:?}", evolution.files)
    };
    assert_eq!(
        (
            file.path.as_str(),
            file.changes,
            file.deleted_lines,
            file.added_lines
        ),
        ("lib/a.js", 2, 2, 2)
    );
    assert!(
        file.diff.contains("-var a = 1;\r\n+const a = 1;\r\n"),
        "{}",
        file.diff
    );
    assert_eq!(file.functions, ["f"]);

    let done = fixture.approve(&evolution, true).await.unwrap();
    assert_eq!(done.state(), EvolutionState::Committed, "{done:?}");
    assert!(
        done.branch.starts_with("shim/var-to-let-const-"),
        "{}",
        done.branch
    );
    let names: Vec<&str> = done
        .checks
        .iter()
        .map(|check| check.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["parse", "exports", "bytes", "lint", "types", "tests"]
    );
    assert!(
        done.checks.iter().all(|check| check.passed),
        "{:?}",
        done.checks
    );
    let tests = done.checks.last().unwrap();
    assert!(
        tests.skipped.is_empty() && tests.after.contains("1 tests passed"),
        "{tests:?}"
    );
    assert_eq!(fixture.checks.lock().unwrap().len(), 6);
    assert_eq!(
        fixture.git(&["show", &format!("{}:lib/a.js", done.branch)]),
        CHANGED
    );
    assert_eq!(
        fixture.git(&["diff", "--name-only", "main", &done.branch]),
        "lib/a.js\n"
    );
    assert_eq!(fixture.tree(), before);
    fixture.nothing_is_left();

    let project = fixture.project(true).await;
    let reverted = fixture
        .evolver
        .revert(
            &project,
            &done.evolution_id,
            ("", "not now"),
            &fixture.cancel,
        )
        .await
        .unwrap();
    assert_eq!(
        (reverted.state(), reverted.commit.as_str()),
        (EvolutionState::Reverted, "")
    );
    assert_eq!(fixture.branches(), ["main"]);
    let again = fixture
        .evolver
        .revert(&project, &done.evolution_id, ("", ""), &fixture.cancel)
        .await;
    assert!(
        matches!(again, Err(EvolutionError::WrongState { .. })),
        "{again:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_breaks_a_test_is_discarded() {
    let test = "const test = require('node:test');\nconst fs = require('fs');\ntest('text', () => require('assert').match(fs.readFileSync(__dirname + '/../lib/a.js', 'utf8'), /var a/));\n";
    let fixture = Fixture::new(&[
        ("package.json", MANIFEST),
        ("lib/a.js", SOURCE),
        ("test/a.test.js", test),
    ]);
    let before = fixture.tree();
    let evolution = fixture.proposed("var-to-let-const").await;
    let done = fixture.approve(&evolution, true).await.unwrap();
    assert_eq!(done.state(), EvolutionState::Discarded);
    assert!(
        done.reason.starts_with("tests: ") && done.commit.is_empty(),
        "{}",
        done.reason
    );
    assert_eq!(fixture.branches(), ["main"]);
    assert_eq!(fixture.tree(), before);
    fixture.nothing_is_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_trust_no_test_runs() {
    let fixture = Fixture::usual();
    let evolution = fixture.proposed("var-to-let-const").await;
    let done = fixture.approve(&evolution, false).await.unwrap();
    assert_eq!(done.state(), EvolutionState::Committed);
    assert!(done.checks.last().unwrap().skipped.contains("not trusted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_that_prove_nothing_end_the_approval_and_leave_the_proposal() {
    for endless in ["setInterval(() => {}, 1000);", "process.exit(0);"] {
        let test = format!(
            "const test = require('node:test');\ntest('x', async () => {{ {endless} await new Promise(() => {{}}); }});\n"
        );
        let mut fixture = Fixture::new(&[
            ("package.json", MANIFEST),
            ("lib/a.js", SOURCE),
            ("test/a.test.js", &test),
        ]);
        fixture.evolver.limits.tests = Duration::from_secs(5);
        let evolution = fixture.proposed("var-to-let-const").await;
        let done = fixture.approve(&evolution, true).await;
        let is_refused = matches!(&done, Err(EvolutionError::TestsUnusable(_)))
            || done
                .as_ref()
                .is_ok_and(|done| done.state() != EvolutionState::Committed);
        assert!(is_refused, "{endless}: {done:?}");
        assert_eq!(fixture.branches(), ["main"]);
        fixture.nothing_is_left();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_approval_leaves_the_proposal_and_nothing_else() {
    let fixture = Fixture::usual();
    let evolution = fixture.proposed("var-to-let-const").await;
    fixture.cancel.cancel();
    let done = fixture.approve(&evolution, true).await;
    assert!(done.is_err(), "{done:?}");
    assert_eq!(fixture.state(&evolution).await, EvolutionState::Proposed);
    assert_eq!(fixture.branches(), ["main"]);
    fixture.nothing_is_left();
}
