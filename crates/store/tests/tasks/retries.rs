//! Taking up again what failed or was called off, and what happens to the rest of a job.

use shim_proto::coordination::v1::{ApprovalGates, FailurePolicy, Task};
use shim_store::tasks::Submission;

use super::invariants;
use super::test_store::{TestStore, graph, once};

/// A job of two parts that may not start before it is approved.
fn gated() -> Submission {
    let mut plan = graph(&[&[], &[]]);
    plan.root.approval = Some(ApprovalGates {
        before_start: true,
        before_result: false,
    });
    plan
}

fn reason(task: &Task) -> &str {
    task.error
        .as_ref()
        .map_or("", |error| error.reason.as_str())
}

impl TestStore {
    async fn states(&self, ids: &[String]) -> Vec<String> {
        let mut states = Vec::new();
        for id in ids {
            states.push(self.state(id).await);
        }
        states
    }

    async fn finish_all(&self) {
        loop {
            self.wait_until_relayed().await;
            let Some(claimed) = self.claim("w").await else {
                return;
            };
            self.complete(&claimed, "done").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failure_ends_a_job_that_fails_fast_and_a_retry_takes_all_of_it_up() {
    let env = TestStore::new().await;
    let ids = env.submit(graph(&[&[], &[], &[0, 1], &[2]])).await;
    let (first, second) = (env.claim("w").await.unwrap(), env.claim("w").await.unwrap());
    env.fail(&first, true).await;
    assert_eq!(
        env.states(&ids).await,
        ["FAILED", "FAILED", "CANCELLED", "CANCELLED", "CANCELLED"]
    );
    assert_eq!(reason(&env.task(&ids[2]).await), "SIBLING_FAILED");
    assert!(env.report(&second, 0.5).await.is_err());

    assert_eq!(env.retry(&ids[1]).await, 4);
    invariants::assert_hold(&env.store).await;
    assert_eq!(
        env.states(&ids).await,
        ["RUNNING", "READY", "READY", "PENDING", "PENDING"]
    );
    env.finish_all().await;
    assert_eq!(env.states(&ids).await, ["COMPLETED"; 5]);
    invariants::assert_quiet(&env.store, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_continues_loses_only_what_depended_on_the_failure() {
    let env = TestStore::new().await;
    let mut plan = graph(&[&[], &[], &[0], &[1], &[2]]);
    plan.root.on_failure = FailurePolicy::Continue.into();
    let ids = env.submit(plan).await;
    let failing = env.claim("w").await.unwrap();
    assert_eq!(failing.task.task_id, ids[1]);
    env.fail(&failing, true).await;
    env.finish_all().await;
    let ended = [
        "FAILED",
        "FAILED",
        "COMPLETED",
        "CANCELLED",
        "COMPLETED",
        "CANCELLED",
    ];
    assert_eq!(env.states(&ids).await, ended);
    assert_eq!(reason(&env.task(&ids[5]).await), "DEPENDENCY_FAILED");

    // What was stranded cannot run without what it waits for: that is taken up with it.
    assert_eq!(env.retry(&ids[5]).await, 3);
    env.finish_all().await;
    assert_eq!(env.states(&ids).await, ["COMPLETED"; 6]);
    invariants::assert_hold(&env.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_two_failures_comes_back_with_the_second() {
    let env = TestStore::new().await;
    let mut plan = graph(&[&[], &[], &[0, 1]]);
    plan.root.on_failure = FailurePolicy::Continue.into();
    let ids = env.submit(plan).await;
    for _ in 0..2 {
        let claimed = env.claim("w").await.unwrap();
        env.fail(&claimed, true).await;
    }
    assert_eq!(env.retry(&ids[1]).await, 1);
    env.finish_all().await;
    assert_eq!(
        env.states(&ids).await,
        ["FAILED", "COMPLETED", "FAILED", "CANCELLED"]
    );
    assert_eq!(env.retry(&ids[2]).await, 2);
    env.finish_all().await;
    assert_eq!(env.states(&ids).await, ["COMPLETED"; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_called_off_job_is_taken_up_whole() {
    let env = TestStore::new().await;
    let ids = env.submit(graph(&[&[], &[0], &[]])).await;
    let claimed = env.claim("w").await.unwrap();
    env.complete(&claimed, "done").await;
    assert_eq!(env.cancel(&ids[0]).await, 3);
    assert_eq!(env.cancel(&ids[0]).await, 0);
    assert_eq!(
        env.states(&ids).await,
        ["CANCELLED", "COMPLETED", "CANCELLED", "CANCELLED"]
    );
    assert_eq!(env.retry(&ids[0]).await, 2);
    env.finish_all().await;
    assert_eq!(env.states(&ids).await, ["COMPLETED"; 4]);
    invariants::assert_hold(&env.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_called_off_before_anybody_took_it_runs_after_a_retry() {
    let env = TestStore::new().await;
    let ids = env.submit(super::test_store::single("one")).await;
    env.cancel(&ids[0]).await;
    env.retry(&ids[0]).await;
    assert_eq!(env.claim_soon("w").await.task.task_id, ids[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_starts_nothing_that_waits_for_an_approval() {
    let env = TestStore::new().await;
    let ids = env.submit(gated()).await;
    for lost in [&ids[1], &ids[0]] {
        env.cancel(lost).await;
        env.retry(lost).await;
        invariants::assert_hold(&env.store).await;
        assert_eq!(
            env.states(&ids).await,
            ["AWAITING_APPROVAL", "PENDING", "PENDING"]
        );
    }
    let approved = env.store.tasks.approve(&once(), &ids[0], false, "").await;
    assert_eq!(approved.unwrap().task_id, ids[0]);
    env.finish_all().await;
    assert_eq!(env.states(&ids).await, ["COMPLETED"; 3]);
    invariants::assert_quiet(&env.store, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_parts_were_all_called_off_before_its_start_ends_when_it_is_approved() {
    let env = TestStore::new().await;
    let ids = env.submit(gated()).await;
    for part in &ids[1..] {
        env.cancel(part).await;
    }
    let approved = env.store.tasks.approve(&once(), &ids[0], false, "").await;
    assert!(invariants::is_over(&approved.unwrap()));
    invariants::assert_quiet(&env.store, &[]).await;
}
