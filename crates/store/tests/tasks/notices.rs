//! The messages to the submitter of a job: one that it waits for an approval, and one that it ended.

use std::time::Duration;

use shim_proto::coordination::v1::ApprovalGates;

use super::test_store::{TestStore, graph, once, single};

const SESSION: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

async fn received(env: &TestStore) -> Vec<String> {
    let hidden = Duration::from_secs(60);
    let taken = env
        .store
        .inboxes
        .receive(SESSION.parse().unwrap(), 100, hidden, &[])
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
async fn a_submitter_is_notified_of_an_approval_and_of_the_end_once_each() {
    let env = TestStore::new().await;
    let mut plan = graph(&[&[]]);
    plan.root.submitted_by = SESSION.to_owned();
    plan.subtasks[0].approval = Some(ApprovalGates {
        before_start: true,
        before_result: false,
    });
    let ids = env.submit(plan).await;
    assert_eq!(received(&env).await, [format!("task {} waits", ids[1])]);
    env.store
        .tasks
        .approve(&once(), &ids[1], false, "")
        .await
        .unwrap();
    let claimed = env.claim_soon("w").await;
    // What is relayed twice is sent once.
    let (again, done) = (once(), super::test_store::result("done"));
    for _ in 0..2 {
        let (id, lease, usage) = (&ids[1], claimed.lease, Default::default());
        let done = env.store.tasks.complete(&again, id, lease, &done, &usage);
        done.await.unwrap();
    }
    env.wait_until_relayed().await;
    assert_eq!(received(&env).await, [format!("job {} completed:", ids[0])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_a_submitter_sends_no_message() {
    let env = TestStore::new().await;
    env.submit(single("one")).await;
    let claimed = env.claim("w").await.unwrap();
    env.complete(&claimed, "done").await;
    env.wait_until_relayed().await;
    assert_eq!(received(&env).await, Vec::<String>::new());
}
