//! Ended jobs that are forgotten on demand, and how far bounds are used.

use std::time::Duration;

use shim_proto::coordination::v1::TaskState;
use shim_store::sizes::limit;
use shim_store::tasks::{PruneScope, Pruned};

use super::test_store::{TestStore, graph, once, single};

const ALL: PruneScope = PruneScope {
    older_than: Duration::ZERO,
    dead_letters: false,
    dry_run: false,
};

#[tokio::test(flavor = "multi_thread")]
async fn ended_jobs_go_with_their_parts_and_those_at_work_or_in_the_dead_letter_stay() {
    let env = TestStore::new().await;
    let ended = env.submit(graph(&[&[], &[]])).await;
    for _ in 0..2 {
        let claimed = env.claim_soon("w").await;
        env.complete(&claimed, "done").await;
    }
    let failed = env.submit(single("fails")).await.remove(0);
    let claimed = env.claim_soon("w").await;
    env.fail(&claimed, true).await;
    let open = env.submit(single("waits")).await.remove(0);
    env.wait_until_relayed().await;
    env.next_millisecond().await;

    let counting = PruneScope {
        dry_run: true,
        ..ALL
    };
    let expected = Pruned {
        jobs: 1,
        tasks: 3,
        dead_letters: 0,
        has_more: false,
    };
    let tasks = &env.store.tasks;
    assert_eq!(tasks.prune(&once(), counting).await.unwrap(), expected);
    let old = PruneScope {
        older_than: Duration::from_secs(3_600),
        ..ALL
    };
    assert_eq!(tasks.prune(&once(), old).await.unwrap(), Pruned::default());
    let once_only = once();
    assert_eq!(tasks.prune(&once_only, ALL).await.unwrap(), expected);
    assert_eq!(tasks.prune(&once_only, ALL).await.unwrap(), expected);
    assert_eq!(tasks.prune(&once(), ALL).await.unwrap(), Pruned::default());
    for id in &ended {
        assert!(tasks.get(id).await.unwrap().is_none());
    }
    assert_eq!(env.task(&failed).await.state(), TaskState::Failed);

    let letters = PruneScope {
        dead_letters: true,
        ..ALL
    };
    let pruned = tasks.prune(&once(), letters).await.unwrap();
    assert_eq!((pruned.jobs, pruned.dead_letters), (1, 1));
    assert!(tasks.get(&failed).await.unwrap().is_none());
    assert_eq!(env.task(&open).await.state(), TaskState::Ready);
    assert_eq!(tasks.health().await.unwrap().dead_letters, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_takes_some_jobs_and_says_that_there_are_more() {
    let env = TestStore::new().await;
    let parts: Vec<&[usize]> = vec![&[]; 700];
    for _ in 0..4 {
        let ids = env.submit(graph(&parts)).await;
        env.cancel(&ids[0]).await;
    }
    env.wait_until_relayed().await;
    env.next_millisecond().await;
    let tasks = &env.store.tasks;
    let first = tasks.prune(&once(), ALL).await.unwrap();
    assert_eq!((first.jobs, first.tasks, first.has_more), (3, 2_103, true));
    let second = tasks.prune(&once(), ALL).await.unwrap();
    assert_eq!((second.jobs, second.has_more), (1, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_over_the_keys_finds_how_far_bounds_are_used() {
    let env = TestStore::new().await;
    env.submit(single("one")).await;
    env.submit(single("two")).await;
    let measured = env.store.sizes.measure().await.unwrap().unwrap();
    let jobs = measured.usages.iter().find(|usage| usage.what == "jobs");
    assert_eq!(jobs.map(|usage| usage.used), Some(2));
    for usage in &measured.usages {
        assert!(limit(&usage.what).is_some(), "{usage:?} has no bound");
    }
    env.store.tasks.note_sizes(&measured).await.unwrap();
    assert_eq!(
        env.store.tasks.health().await.unwrap().usages,
        measured.usages
    );
}
