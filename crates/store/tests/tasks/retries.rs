//! Taking up again what failed or was called off, and what happens to the rest of a job.

use shim_proto::coordination::v1::{ApprovalGates, FailurePolicy, Task};
use shim_store::tasks::Plan;

use super::house::{House, graph, once};
use super::laws;

/// A job of two parts that may not start before somebody approves of it.
fn gated() -> Plan {
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

impl House {
    async fn states(&self, ids: &[String]) -> Vec<String> {
        let mut states = Vec::new();
        for id in ids {
            states.push(self.state(id).await);
        }
        states
    }

    async fn finish_all(&self) {
        loop {
            self.carried_over().await;
            let Some(claimed) = self.claim("w").await else {
                return;
            };
            self.complete(&claimed, "done").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failure_ends_a_job_that_fails_fast_and_a_retry_takes_all_of_it_up() {
    let house = House::new().await;
    let ids = house.submit(graph(&[&[], &[], &[0, 1], &[2]])).await;
    let (first, second) = (
        house.claim("w").await.unwrap(),
        house.claim("w").await.unwrap(),
    );
    house.fail(&first, true).await;
    assert_eq!(
        house.states(&ids).await,
        ["FAILED", "FAILED", "CANCELLED", "CANCELLED", "CANCELLED"]
    );
    assert_eq!(reason(&house.task(&ids[2]).await), "SIBLING_FAILED");
    assert!(house.report(&second, 0.5).await.is_err());

    assert_eq!(house.retry(&ids[1]).await, 4);
    laws::hold(&house.store).await;
    assert_eq!(
        house.states(&ids).await,
        ["RUNNING", "READY", "READY", "PENDING", "PENDING"]
    );
    house.finish_all().await;
    assert_eq!(house.states(&ids).await, ["COMPLETED"; 5]);
    laws::are_quiet(&house.store, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_continues_loses_only_what_depended_on_the_failure() {
    let house = House::new().await;
    let mut plan = graph(&[&[], &[], &[0], &[1], &[2]]);
    plan.root.on_failure = FailurePolicy::Continue.into();
    let ids = house.submit(plan).await;
    let failing = house.claim("w").await.unwrap();
    assert_eq!(failing.task.task_id, ids[1]);
    house.fail(&failing, true).await;
    house.finish_all().await;
    let ended = [
        "FAILED",
        "FAILED",
        "COMPLETED",
        "CANCELLED",
        "COMPLETED",
        "CANCELLED",
    ];
    assert_eq!(house.states(&ids).await, ended);
    assert_eq!(reason(&house.task(&ids[5]).await), "DEPENDENCY_FAILED");

    // What was stranded cannot run without what it waits for: that is taken up with it.
    assert_eq!(house.retry(&ids[5]).await, 3);
    house.finish_all().await;
    assert_eq!(house.states(&ids).await, ["COMPLETED"; 6]);
    laws::hold(&house.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_two_failures_comes_back_with_the_second() {
    let house = House::new().await;
    let mut plan = graph(&[&[], &[], &[0, 1]]);
    plan.root.on_failure = FailurePolicy::Continue.into();
    let ids = house.submit(plan).await;
    for _ in 0..2 {
        let claimed = house.claim("w").await.unwrap();
        house.fail(&claimed, true).await;
    }
    assert_eq!(house.retry(&ids[1]).await, 1);
    house.finish_all().await;
    assert_eq!(
        house.states(&ids).await,
        ["FAILED", "COMPLETED", "FAILED", "CANCELLED"]
    );
    assert_eq!(house.retry(&ids[2]).await, 2);
    house.finish_all().await;
    assert_eq!(house.states(&ids).await, ["COMPLETED"; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_called_off_job_is_taken_up_whole() {
    let house = House::new().await;
    let ids = house.submit(graph(&[&[], &[0], &[]])).await;
    let claimed = house.claim("w").await.unwrap();
    house.complete(&claimed, "done").await;
    assert_eq!(house.cancel(&ids[0]).await, 3);
    assert_eq!(house.cancel(&ids[0]).await, 0);
    assert_eq!(
        house.states(&ids).await,
        ["CANCELLED", "COMPLETED", "CANCELLED", "CANCELLED"]
    );
    assert_eq!(house.retry(&ids[0]).await, 2);
    house.finish_all().await;
    assert_eq!(house.states(&ids).await, ["COMPLETED"; 4]);
    laws::hold(&house.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_called_off_before_anybody_took_it_runs_after_a_retry() {
    let house = House::new().await;
    let ids = house.submit(super::house::single("one")).await;
    house.cancel(&ids[0]).await;
    house.retry(&ids[0]).await;
    assert_eq!(house.claim_soon("w").await.task.task_id, ids[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_starts_nothing_that_waits_for_an_approval() {
    let house = House::new().await;
    let ids = house.submit(gated()).await;
    for lost in [&ids[1], &ids[0]] {
        house.cancel(lost).await;
        house.retry(lost).await;
        laws::hold(&house.store).await;
        assert_eq!(
            house.states(&ids).await,
            ["AWAITING_APPROVAL", "PENDING", "PENDING"]
        );
    }
    let approved = house.store.tasks.approve(&once(), &ids[0], false, "").await;
    assert_eq!(approved.unwrap().task_id, ids[0]);
    house.finish_all().await;
    assert_eq!(house.states(&ids).await, ["COMPLETED"; 3]);
    laws::are_quiet(&house.store, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_parts_were_all_called_off_before_its_start_ends_when_it_is_approved() {
    let house = House::new().await;
    let ids = house.submit(gated()).await;
    for part in &ids[1..] {
        house.cancel(part).await;
    }
    let approved = house.store.tasks.approve(&once(), &ids[0], false, "").await;
    assert!(laws::is_over(&approved.unwrap()));
    laws::are_quiet(&house.store, &[]).await;
}
