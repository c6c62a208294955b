//! Changes that others worked out.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_others_worked_out_goes_the_same_way() {
    let fixture = Fixture::usual();
    let offer = |files: &[(&str, &str)]| Offer {
        transform: "generate_tests".to_owned(),
        why: "f has no test for a number.".to_owned(),
        risk: Risk::Low,
        files: files
            .iter()
            .map(|&(path, text)| (path.to_owned(), text.to_owned()))
            .collect(),
    };
    let project = fixture.project(true).await;
    let test = TEST.replace("'f'", "'f again'");
    let made = fixture
        .evolver
        .offer(
            &project,
            offer(&[
                ("test/new/b.test.js", &test.replace("../lib", "../../lib")),
                ("lib/a.js", SOURCE),
            ]),
        )
        .await
        .unwrap();
    assert_eq!((made.files.len(), made.files[0].is_new), (1, true));
    let done = fixture.approve(&made, true).await.unwrap();
    assert_eq!(done.state(), EvolutionState::Committed, "{}", done.reason);
    assert!(
        done.checks.last().unwrap().after.contains("2 tests passed"),
        "{:?}",
        done.checks
    );
    assert!(!fixture.root.join("test/new").exists());

    let broken = fixture
        .evolver
        .offer(&project, offer(&[("test/c.test.js", "nonsense (")]))
        .await
        .unwrap();
    assert_eq!(
        fixture.approve(&broken, true).await.unwrap().state(),
        EvolutionState::Discarded
    );
    fixture.write("test/d.test.js", &test);
    let project = fixture.project(true).await;
    let refused = fixture
        .evolver
        .offer(&project, offer(&[("test/d.test.js", "1;")]))
        .await;
    assert!(
        matches!(refused, Err(EvolutionError::NotCommitted(_))),
        "{refused:?}"
    );
    let nothing = fixture
        .evolver
        .offer(&project, offer(&[("lib/a.js", SOURCE)]))
        .await;
    assert!(
        matches!(nothing, Err(EvolutionError::NothingOffered)),
        "{nothing:?}"
    );
}
