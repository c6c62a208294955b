//! Dead letters stay until they are retried, and of too many the oldest are forgotten with a word.

use std::time::Duration;

use shim_store::tasks::SweepConfig;

use super::invariants;
use super::test_store::{TestStore, graph, patient, single};

/// A job of one task that failed for good.
async fn dead_letter(env: &TestStore, goal: &str) -> String {
    let ids = env.submit(single(goal)).await;
    let claimed = env.claim_soon("w").await;
    env.fail(&claimed, true).await;
    env.wait_until_relayed().await;
    ids[0].clone()
}

async fn completed(env: &TestStore) -> String {
    let ids = env.submit(single("done")).await;
    let claimed = env.claim_soon("w").await;
    env.complete(&claimed, "done").await;
    env.wait_until_relayed().await;
    ids[0].clone()
}

async fn is_known(env: &TestStore, id: &str) -> bool {
    env.store.tasks.get(id).await.unwrap().is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_age_nor_number_takes_a_dead_letter_away() {
    for config in [
        SweepConfig {
            keep: Duration::ZERO,
            ..patient()
        },
        SweepConfig {
            keep_jobs: 1,
            ..patient()
        },
    ] {
        let env = TestStore::new().await;
        let dead = dead_letter(&env, "dead").await;
        // A part of a job that went on without it.
        let mut plan = graph(&[&[], &[]]);
        plan.root.on_failure = 2;
        let parts = env.submit(plan).await;
        let claimed = env.claim_soon("w").await;
        env.fail(&claimed, true).await;
        env.complete(&env.claim_soon("w").await, "done").await;
        let gone = completed(&env).await;
        let newest = completed(&env).await;
        let swept = env.store.tasks.sweep(&config).await.unwrap();
        assert!(swept.forgotten > 0 && swept.buried.is_empty(), "{swept:?}");
        assert!(!is_known(&env, &gone).await);
        for id in [&dead, &parts[0], &parts[1]] {
            assert!(is_known(&env, id).await);
        }
        let _ = newest;
        assert_eq!(env.store.tasks.health().await.unwrap().dead_letters, 2);

        assert_eq!(env.retry(&dead).await, 1);
        env.complete(&env.claim_soon("w").await, "at last").await;
        env.wait_until_relayed().await;
        assert_eq!(env.state(&dead).await, "COMPLETED");
        completed(&env).await;
        env.store.tasks.sweep(&config).await.unwrap();
        assert!(!is_known(&env, &dead).await, "it is a job like others now");
        assert_eq!(env.store.tasks.health().await.unwrap().dead_letters, 1);
        invariants::assert_hold(&env.store).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_too_many_dead_letters_the_oldest_are_forgotten_and_told() {
    let env = TestStore::new().await;
    let mut dead = Vec::new();
    for number in 0..5 {
        dead.push(dead_letter(&env, &format!("dead {number}")).await);
        env.next_millisecond().await;
    }
    let few = SweepConfig {
        keep: Duration::ZERO,
        keep_dead_letters: 2,
        ..patient()
    };
    let swept = env.store.tasks.sweep(&few).await.unwrap();
    assert_eq!(swept.buried, dead[..3]);
    assert_eq!(swept.forgotten, 3);
    for (number, id) in dead.iter().enumerate() {
        assert_eq!(is_known(&env, id).await, number >= 3, "{number}");
    }
    let health = env.store.tasks.health().await.unwrap();
    assert_eq!((health.dead_letters, health.buried), (2, 3));
    assert!(health.buried_at_ms.is_some());
    let swept = env.store.tasks.sweep(&few).await.unwrap();
    assert!(swept.buried.is_empty());
}
