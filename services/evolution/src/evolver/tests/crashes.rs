//! What a crash leaves at any moment is ended at the next start, and the same request finds what became of it.

use std::path::Path;

use shim_proto::evolution::v1::{Evolution, EvolutionState};

use super::{Fixture, StateChange};
use crate::evolver::repository::Repository;
use crate::evolver::reverting::Reversion;
use crate::evolver::worktree::Worktree;

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_moment_is_ended_at_the_next_start() {
    let fixture = Fixture::usual();
    let before = fixture.tree();
    // Killed while the worktree was made: the entry in the repository has no place yet.
    let evolution = fixture.proposed("var-to-let-const").await;
    fixture
        .move_state(
            &evolution,
            EvolutionState::Proposed,
            EvolutionState::Applying,
        )
        .await;
    let name = format!("shim-{}", evolution.evolution_id);
    let folder = fixture.host.path("worktrees").join(&name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.with_extension("repository"),
        fixture.root.join(".git").as_os_str().as_encoded_bytes(),
    )
    .unwrap();
    std::fs::create_dir_all(fixture.root.join(".git/worktrees").join(&name)).unwrap();
    std::fs::write(
        fixture
            .root
            .join(".git/worktrees")
            .join(&name)
            .join("locked"),
        "initializing",
    )
    .unwrap();
    std::fs::create_dir_all(fixture.root.join(".git/refs/heads/shim")).unwrap();
    std::fs::write(fixture.root.join(".git/refs/heads/shim/x.lock"), "").unwrap();
    fixture.evolver.recover().await.unwrap();
    assert_eq!(fixture.state(&evolution).await, EvolutionState::Proposed);
    assert!(!fixture.root.join(".git/refs/heads/shim").exists());
    fixture.nothing_is_left();

    // Killed after the branch was made and before that was noted.
    let done = fixture.approve(&evolution, false).await.unwrap();
    fixture
        .move_state(&done, EvolutionState::Committed, EvolutionState::Applying)
        .await;
    fixture.evolver.recover().await.unwrap();
    let found = fixture
        .evolver
        .store
        .evolution(&done.evolution_id)
        .await
        .unwrap()
        .evolution;
    assert_eq!(
        (found.state(), found.branch, found.commit),
        (EvolutionState::Committed, done.branch, done.commit)
    );
    assert_eq!((found.checks, found.files), (done.checks, done.files));
    assert_eq!(fixture.tree(), before);
}

/// The id of a request, and its reason.
const ASKED: (&str, &str) = ("asked", "not now");

/// A committed evolution, and the note of a reversion of it that has begun.
async fn reversion_begun(fixture: &Fixture) -> (Evolution, Reversion) {
    let evolution = fixture.proposed("var-to-let-const").await;
    let done = fixture.approve(&evolution, false).await.unwrap();
    let repository = Repository::of(&fixture.project(false).await).unwrap();
    let note = Reversion::new(&repository, &done, ASKED.0, ASKED.1);
    note.write(&fixture.evolver.worktrees).unwrap();
    (done, note)
}

fn lock(fixture: &Fixture, name: &str) {
    std::fs::write(fixture.root.join(".git").join(name), "").unwrap();
}

fn has(fixture: &Fixture, name: &str) -> bool {
    fixture.root.join(".git").join(name).exists()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversion_that_changed_nothing_yet_is_forgotten_with_its_locks() {
    let fixture = Fixture::usual();
    // Somebody else's, from before.
    lock(&fixture, "config.lock");
    let (done, _) = reversion_begun(&fixture).await;
    lock(&fixture, &format!("refs/heads/{}.lock", done.branch));
    lock(&fixture, "packed-refs.lock");
    fixture.evolver.recover().await.unwrap();
    assert_eq!(fixture.state(&done).await, EvolutionState::Committed);
    assert!(!has(&fixture, "packed-refs.lock") && has(&fixture, "config.lock"));
    fixture.nothing_is_left();
    assert_eq!(
        fixture.revert(&done, ASKED).await.state(),
        EvolutionState::Reverted
    );
    assert_eq!(fixture.branches(), ["main"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_of_somebody_else_stays() {
    let fixture = Fixture::usual();
    lock(&fixture, "packed-refs.lock");
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    let file = std::fs::File::options()
        .write(true)
        .open(fixture.root.join(".git/packed-refs.lock"));
    file.unwrap().set_modified(long_ago).unwrap();
    let (done, _) = reversion_begun(&fixture).await;
    fixture.evolver.recover().await.unwrap();
    assert!(has(&fixture, "packed-refs.lock"));
    assert_eq!(fixture.state(&done).await, EvolutionState::Committed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_git_in_a_worktree_leaves_no_lock_of_the_repository() {
    let fixture = Fixture::usual();
    let repository = Repository::of(&fixture.project(false).await).unwrap();
    let (evolver, head) = (&fixture.evolver, repository.head.clone());
    let adding = Worktree::add(evolver, &repository, "x", &head, &fixture.cancel);
    let worktree = adding.await.unwrap();
    // As git leaves it that is killed while it commits there.
    lock(&fixture, "packed-refs.lock");
    drop(worktree);
    assert!(!has(&fixture, "packed-refs.lock"));
    fixture.nothing_is_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversion_whose_branch_is_gone_is_noted() {
    let fixture = Fixture::usual();
    let (done, _) = reversion_begun(&fixture).await;
    fixture.git(&["update-ref", "-d", &format!("refs/heads/{}", done.branch)]);
    fixture.evolver.recover().await.unwrap();
    assert_eq!(fixture.state(&done).await, EvolutionState::Reverted);
    let again = fixture.revert(&done, ASKED).await;
    assert_eq!(
        (again.commit.as_str(), again.reason.as_str()),
        ("", "not now")
    );
    fixture.nothing_is_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undoing_commit_is_made_once() {
    let fixture = Fixture::usual();
    let (done, note) = reversion_begun(&fixture).await;
    fixture.git(&["merge", "-q", "--ff-only", &done.branch]);
    let undone = fixture.revert(&done, ASKED).await;
    let branches = fixture.branches();
    // Killed before it was noted, at a start and at a repetition.
    for at_start in [true, false] {
        let (branch, commit) = (done.branch.clone(), done.commit.clone());
        let back = StateChange {
            evolution_id: done.evolution_id.clone(),
            from: EvolutionState::Reverted,
            to: EvolutionState::Committed,
            request_id: String::new(),
        };
        let restored = fixture.evolver.store.change_state(back, move |evolution| {
            (evolution.branch, evolution.commit) = (branch, commit);
        });
        restored.await.unwrap();
        note.write(&fixture.evolver.worktrees).unwrap();
        if at_start {
            fixture.evolver.recover().await.unwrap();
        }
        let again = fixture.revert(&done, ASKED).await;
        assert_eq!(
            (&again.branch, &again.commit),
            (&undone.branch, &undone.commit)
        );
        assert_eq!(fixture.branches(), branches);
        fixture.nothing_is_left();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_was_cut_short_is_removed() {
    let fixture = Fixture::usual();
    let worktrees: &Path = &fixture.evolver.worktrees;
    std::fs::create_dir_all(worktrees).unwrap();
    std::fs::write(worktrees.join("x.reversion"), "{\"evolution_id\": \"0").unwrap();
    fixture.evolver.recover().await.unwrap();
    fixture.nothing_is_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_works_on_is_settled_at_the_next_look() {
    let fixture = Fixture::usual();
    let evolution = fixture.proposed("var-to-let-const").await;
    let (from, to) = (EvolutionState::Proposed, EvolutionState::Applying);
    fixture.move_state(&evolution, from, to).await;
    let id = &evolution.evolution_id;
    let work = fixture.evolver.at_work.begin(id).unwrap();
    fixture.evolver.settle(id).await.unwrap();
    assert_eq!(fixture.state(&evolution).await, EvolutionState::Applying);
    drop(work);
    fixture.evolver.settle_all().await.unwrap();
    assert_eq!(fixture.state(&evolution).await, EvolutionState::Proposed);
}
