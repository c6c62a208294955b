//! Repositories of every kind: what is not committed, merged, detached, converted by attributes, or empty.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_committed_is_left_out_by_name() {
    let fixture = Fixture::usual();
    fixture.commit(&[(
        "lib/b.js",
        "exports.b = function () { var x = 1; return x; };\n",
    )]);
    fixture.write("lib/a.js", &SOURCE.replace("= 1", "= 7"));
    fixture.write("lib/new/c.js", "exports.c = 1;\n");
    let made = fixture.propose(&["var-to-let-const"]).await.unwrap();
    let unread: BTreeMap<_, _> = made
        .summary
        .unread_files
        .iter()
        .map(|file| (file.path.as_str(), file.reason.as_str()))
        .collect();
    assert!(
        unread["lib/a.js"].contains("differs from what is committed"),
        "{unread:?}"
    );
    assert!(unread.contains_key("lib/new/c.js"), "{unread:?}");
    assert_eq!(made.evolutions[0].files.len(), 1);
    let done = fixture.approve(&made.evolutions[0], true).await.unwrap();
    assert_eq!(done.state(), EvolutionState::Committed, "{}", done.reason);
    assert!(
        std::fs::read_to_string(fixture.root.join("lib/a.js"))
            .unwrap()
            .contains("= 7")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_committed_anew_makes_a_proposal_outdated() {
    let fixture = Fixture::usual();
    let evolution = fixture.proposed("var-to-let-const").await;
    fixture.commit(&[("lib/a.js", &SOURCE.replace("= 1", "= 7"))]);
    let done = fixture.approve(&evolution, true).await.unwrap();
    assert_eq!(done.state(), EvolutionState::Outdated);
    assert!(done.reason.starts_with("lib/a.js"), "{}", done.reason);
    fixture.nothing_is_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn some_files_of_a_proposal_can_be_approved() {
    let fixture = Fixture::usual();
    fixture.commit(&[(
        "lib/b.js",
        "exports.b = function () { var x = 1; return x; };\n",
    )]);
    let evolution = fixture.proposed("var-to-let-const").await;
    let unknown = fixture
        .approve_some(&evolution, &["lib/none.js"], true)
        .await;
    assert!(
        matches!(unknown, Err(EvolutionError::PathUnknown(_))),
        "{unknown:?}"
    );
    let done = fixture
        .approve_some(&evolution, &["lib/b.js"], true)
        .await
        .unwrap();
    assert_eq!(done.files.len(), 1);
    assert_eq!(
        fixture.git(&["diff", "--name-only", "main", &done.branch]),
        "lib/b.js\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merged_evolution_is_undone_by_a_commit_of_its_own() {
    let fixture = Fixture::usual();
    let evolution = fixture.proposed("var-to-let-const").await;
    let done = fixture.approve(&evolution, false).await.unwrap();
    fixture.git(&["merge", "-q", "--ff-only", &done.branch]);
    let reverted = fixture.revert(&done, ("", "")).await;
    assert!(
        reverted.branch.starts_with("shim/revert-"),
        "{}",
        reverted.branch
    );
    assert_eq!(
        fixture.git(&["show", &format!("{}:lib/a.js", reverted.commit)]),
        SOURCE
    );
    fixture.nothing_is_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_repository_on_a_detached_head_is_worked_on_as_well() {
    let mut fixture = Fixture::new(&[("README", "x")]);
    fixture.commit(&[
        ("packages/p/package.json", MANIFEST),
        ("packages/p/a.js", SOURCE),
        ("packages/p/test/a.test.js", &TEST.replace("lib/a", "a")),
    ]);
    fixture.git(&["checkout", "-q", "--detach"]);
    let top = fixture.root.clone();
    fixture.root = top.join("packages/p");
    let evolution = fixture.proposed("var-to-let-const").await;
    assert_eq!(evolution.files[0].path, "a.js");
    let done = fixture.approve(&evolution, true).await.unwrap();
    assert_eq!(done.state(), EvolutionState::Committed, "{}", done.reason);
    assert_eq!(
        fixture.git(&["show", &format!("{}:packages/p/a.js", done.branch)]),
        CHANGED
    );
    fixture.root = top;
    fixture.nothing_is_left();
}

/// Attributes that were added after the files: git would convert each of them with the next `git add`.
#[tokio::test(flavor = "multi_thread")]
async fn attributes_that_convert_files_change_no_byte_of_a_commit() {
    for attributes in [
        "* text\n",
        "*.js text=auto eol=lf\n",
        "*.js eol=crlf\n",
        "*.js ident text\n",
    ] {
        let fixture = Fixture::usual();
        let source = format!("{SOURCE}\r\n// $Id$\r\n");
        fixture.commit(&[("lib/a.js", &source)]);
        // Into the index alone, as somebody who does not renormalize would have it.
        fixture.write(".gitattributes", attributes);
        fixture.git(&["add", ".gitattributes"]);
        fixture.git(&["commit", "-q", "-m", "attributes"]);
        let made = fixture.propose(&["var-to-let-const"]).await.unwrap();
        let Some(evolution) = made.evolutions.first() else {
            // git itself says that the files differ from what is committed.
            assert!(
                made.summary
                    .unread_files
                    .iter()
                    .any(|file| file.path == "lib/a.js")
            );
            continue;
        };
        let done = fixture.approve(evolution, true).await.unwrap();
        assert_eq!(
            done.state(),
            EvolutionState::Committed,
            "{attributes}: {}",
            done.reason
        );
        assert_eq!(
            fixture.git(&["cat-file", "blob", &format!("{}:lib/a.js", done.branch)]),
            format!("{CHANGED}\r\n// $Id$\r\n"),
            "{attributes}"
        );
        fixture.git(&["merge", "-q", "--ff-only", &done.branch]);
        let reverted = fixture.revert(&done, ("", "")).await;
        assert_eq!(
            fixture.git(&["cat-file", "blob", &format!("{}:lib/a.js", reverted.commit)]),
            source,
            "{attributes}"
        );
        fixture.nothing_is_left();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_commit_there_is_a_remedy() {
    let fixture = Fixture::usual();
    std::fs::remove_dir_all(fixture.root.join(".git")).unwrap();
    let none = fixture.propose(&[]).await;
    assert!(
        matches!(none, Err(EvolutionError::NoRepository(_))),
        "{none:?}"
    );
    fixture.git(&["init", "-q"]);
    let unborn = fixture.propose(&[]).await;
    assert!(
        matches!(unborn, Err(EvolutionError::NoCommit(_))),
        "{unborn:?}"
    );
    let unknown = fixture.propose(&["no-such"]).await;
    assert!(
        matches!(unknown, Err(EvolutionError::TransformUnknown(_))),
        "{unknown:?}"
    );
}
