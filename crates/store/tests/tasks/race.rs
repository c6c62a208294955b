//! Eight claimers and one task. `SHIM_ROUNDS` makes it longer.

use futures::future::join_all;

use super::invariants;
use super::test_store::{TestStore, claimer, single};

const CLAIMERS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_claimers_exactly_one_wins() {
    let env = TestStore::new().await;
    let mut stores = vec![env.store.clone()];
    for _ in 1..CLAIMERS {
        stores.push(env.another().await);
    }
    let rounds = std::env::var("SHIM_ROUNDS").map_or(200, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        env.submit(single("one thing")).await;
        let claims = stores.iter().enumerate().map(|(i, store)| async move {
            let claimer = claimer(&format!("worker-{i}"));
            store.tasks.take("work", &claimer).await.unwrap()
        });
        let won: Vec<_> = join_all(claims).await.into_iter().flatten().collect();
        assert_eq!(won.len(), 1, "round {round}");
        env.complete(&won[0], "done").await;
    }
    invariants::assert_hold(&env.store).await;
}
