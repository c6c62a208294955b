#![allow(clippy::unwrap_used)]

use shim_proto::evolution::v1::{
    Evolution, EvolutionState, FileChange, Project, TrustProjectResponse,
};
use shim_sqlite::idempotency::IdempotencyKey;

use super::*;
use crate::domain::patterns::Outcome;
use crate::error::EvolutionError;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

fn proposal(root: &str, diff: &str) -> Evolution {
    Evolution {
        project: Some(Project {
            root: root.to_owned(),
            git_head: "a".repeat(40),
            ..Project::default()
        }),
        transform: "no-var".to_owned(),
        files: vec![FileChange {
            path: "a.js".to_owned(),
            diff: diff.to_owned(),
            changes: 1,
            ..FileChange::default()
        }],
        ..Evolution::default()
    }
}

fn change(evolution: &Evolution, from: EvolutionState, to: EvolutionState) -> StateChange {
    StateChange {
        evolution_id: evolution.evolution_id.clone(),
        from,
        to,
        request_id: "r".to_owned(),
    }
}

#[tokio::test]
async fn a_proposal_is_kept_with_its_diffs_and_listed_without() {
    let (_folder, store) = store();
    let kept = store
        .insert_proposal(proposal("/p", "-a\r\n+b\r\n"))
        .await
        .unwrap();
    let found = store.evolution(&kept.evolution_id).await.unwrap();
    assert_eq!(found.evolution, kept);
    assert_eq!(found.evolution.files[0].diff, "-a\r\n+b\r\n");
    let listed = store
        .list_evolutions(EvolutionFilter::default(), 10)
        .await
        .unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].1.files[0].diff, "");
    let elsewhere = EvolutionFilter {
        root: Some("/q".to_owned()),
        ..EvolutionFilter::default()
    };
    assert!(
        store
            .list_evolutions(elsewhere, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn the_same_proposal_twice_is_one_until_it_is_decided() {
    let (_folder, store) = store();
    let first = store.insert_proposal(proposal("/p", "x")).await.unwrap();
    let again = store.insert_proposal(proposal("/p", "x")).await.unwrap();
    assert_eq!(first, again);
    let other = store.insert_proposal(proposal("/p", "y")).await.unwrap();
    assert_ne!(first.evolution_id, other.evolution_id);
    let no = change(&first, EvolutionState::Proposed, EvolutionState::Rejected);
    store.change_state(no, |_| {}).await.unwrap();
    let anew = store.insert_proposal(proposal("/p", "x")).await.unwrap();
    assert_ne!(first.evolution_id, anew.evolution_id);
}

#[tokio::test]
async fn an_id_is_found_by_its_beginning_or_end_if_that_is_the_only_one() {
    let (_folder, store) = store();
    let first = store.insert_proposal(proposal("/p", "x")).await.unwrap();
    let short = &first.evolution_id[..8];
    assert_eq!(store.evolution(short).await.unwrap().evolution, first);
    let end = &first.evolution_id[28..];
    assert_eq!(store.evolution(end).await.unwrap().evolution, first);
    let upper = first.evolution_id.to_uppercase();
    assert_eq!(store.evolution(&upper).await.unwrap().evolution, first);
    store.insert_proposal(proposal("/p", "y")).await.unwrap();
    // The first digits are the time.
    let refused = store
        .evolution(&first.evolution_id[..4])
        .await
        .err()
        .unwrap();
    assert!(matches!(
        refused,
        EvolutionError::EvolutionAmbiguous { count: 2, .. }
    ));
    let unknown = store.evolution("ffffff").await.err().unwrap();
    assert!(matches!(unknown, EvolutionError::EvolutionUnknown(_)));
}

#[tokio::test]
async fn a_state_changes_only_from_the_state_that_is_named() {
    let (_folder, store) = store();
    let kept = store.insert_proposal(proposal("/p", "x")).await.unwrap();
    let apply = || change(&kept, EvolutionState::Proposed, EvolutionState::Applying);
    let races =
        futures::future::join_all((0..8).map(|_| store.change_state(apply(), |_| {}))).await;
    assert_eq!(races.iter().filter(|race| race.is_ok()).count(), 1);
    assert_eq!(store.interrupted_evolutions().await.unwrap().len(), 1);
    let commit = change(&kept, EvolutionState::Applying, EvolutionState::Committed);
    let committed = store
        .change_state(commit, |evolution| evolution.commit = "c".repeat(40))
        .await
        .unwrap();
    assert_eq!(committed.state(), EvolutionState::Committed);
    assert_eq!(committed.files[0].diff, "x");
    let found = store.evolution(&kept.evolution_id).await.unwrap();
    assert_eq!(
        (found.evolution, found.request_id.as_str()),
        (committed, "r")
    );
}

#[tokio::test]
async fn an_evolution_has_one_outcome_the_newest() {
    let (_folder, store) = store();
    let kept = store.insert_proposal(proposal("/p", "x")).await.unwrap();
    for (from, to, outcome) in [
        (EvolutionState::Proposed, EvolutionState::Applying, None),
        (
            EvolutionState::Applying,
            EvolutionState::Committed,
            Some(Outcome::Accepted),
        ),
        (
            EvolutionState::Committed,
            EvolutionState::Reverted,
            Some(Outcome::Reverted),
        ),
    ] {
        store
            .change_state(change(&kept, from, to), |_| {})
            .await
            .unwrap();
        let outcomes = store.outcomes(None).await.unwrap();
        let found: Vec<_> = outcomes.iter().map(|record| record.outcome).collect();
        assert_eq!(found, outcome.into_iter().collect::<Vec<_>>());
    }
    assert!(
        store
            .outcomes(Some("other".to_owned()))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn trust_is_remembered_over_a_restart() {
    let (folder, store) = store();
    assert_eq!(store.trust_of("/p"), None);
    for (id, trust) in [("1", true), ("2", false)] {
        let response = TrustProjectResponse::default();
        let key = IdempotencyKey::new("TrustProject", id, &response);
        let decided = store
            .decide_trust(key, "/p".to_owned(), trust, response)
            .await;
        decided.unwrap();
        assert_eq!(store.trust_of("/p"), Some(trust));
    }
    drop(store);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.trust_of("/p"), Some(false));
}

#[tokio::test]
async fn a_stream_is_answered_as_before() {
    let (_folder, store) = store();
    let request = proposal("/p", "x");
    let key = || IdempotencyKey::new("EvolveCode", "id", &request);
    assert_eq!(
        store.recorded_stream::<Evolution>(&key()).await.unwrap(),
        None
    );
    let messages = vec![proposal("/p", "a"), proposal("/p", "b")];
    store.record_stream(key(), &messages).await.unwrap();
    assert_eq!(store.recorded_stream(&key()).await.unwrap(), Some(messages));
    let other = IdempotencyKey::new("EvolveCode", "id", &proposal("/p", "y"));
    let refused = store
        .recorded_stream::<Evolution>(&other)
        .await
        .err()
        .unwrap();
    assert!(refused.to_string().contains("was used for another request"));
}

#[tokio::test]
async fn a_row_that_the_disk_changed_is_told_and_not_returned() {
    let (folder, store) = store();
    let kept = store.insert_proposal(proposal("/p", "x")).await.unwrap();
    let db = rusqlite::Connection::open(SCHEMA.database_path(folder.path())).unwrap();
    db.execute("UPDATE evolutions SET diffs = x'00' || diffs", [])
        .unwrap();
    drop(db);
    let refused = store.evolution(&kept.evolution_id).await.err().unwrap();
    assert!(
        refused
            .to_string()
            .contains("is damaged and was not returned"),
        "{refused}"
    );
}
