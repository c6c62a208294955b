//! Eight claimers and one task. `SHIM_ROUNDS` makes it longer.

use futures::future::join_all;

use super::house::{House, claimer, single};
use super::laws;

const CLAIMERS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_claimers_exactly_one_wins() {
    let house = House::new().await;
    let mut stores = vec![house.store.clone()];
    for _ in 1..CLAIMERS {
        stores.push(house.another().await);
    }
    let rounds = std::env::var("SHIM_ROUNDS").map_or(200, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        house.submit(single("one thing")).await;
        let claims = stores.iter().enumerate().map(|(i, store)| async move {
            let claimer = claimer(&format!("worker-{i}"));
            store.tasks.take("work", &claimer).await.unwrap()
        });
        let won: Vec<_> = join_all(claims).await.into_iter().flatten().collect();
        assert_eq!(won.len(), 1, "round {round}");
        house.complete(&won[0], "done").await;
    }
    laws::hold(&house.store).await;
}
