//! What the submitter of a job is told: once that it waits for an approval, and once that it ended.

use std::time::Duration;

use shim_proto::coordination::v1::ApprovalGates;

use super::house::{House, graph, once, single};

const SESSION: &str = "session-1";

async fn received(house: &House) -> Vec<String> {
    let hidden = Duration::from_secs(60);
    let taken = house
        .store
        .inboxes
        .receive(SESSION, 100, hidden, &[])
        .await
        .unwrap();
    let words = |text: String| text.split(' ').take(3).collect::<Vec<_>>().join(" ");
    taken
        .messages
        .into_iter()
        .map(|message| words(message.text))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submitter_hears_of_an_approval_and_of_the_end_once_each() {
    let house = House::new().await;
    let mut plan = graph(&[&[]]);
    plan.root.submitted_by = SESSION.to_owned();
    plan.subtasks[0].approval = Some(ApprovalGates {
        before_start: true,
        before_result: false,
    });
    let ids = house.submit(plan).await;
    assert_eq!(received(&house).await, [format!("task {} waits", ids[1])]);
    house
        .store
        .tasks
        .approve(&once(), &ids[1], false, "")
        .await
        .unwrap();
    let claimed = house.claim_soon("w").await;
    // What is carried over twice is told once.
    let (again, done) = (once(), super::house::result("done"));
    for _ in 0..2 {
        let (id, lease, usage) = (&ids[1], claimed.lease, Default::default());
        let done = house.store.tasks.complete(&again, id, lease, &done, &usage);
        done.await.unwrap();
    }
    house.carried_over().await;
    assert_eq!(
        received(&house).await,
        [format!("job {} completed:", ids[0])]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_nobody_owes_nobody_a_message() {
    let house = House::new().await;
    house.submit(single("one")).await;
    let claimed = house.claim("w").await.unwrap();
    house.complete(&claimed, "done").await;
    house.carried_over().await;
    assert_eq!(received(&house).await, Vec::<String>::new());
}
