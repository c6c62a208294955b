//! Schedules: a run is submitted once, or left out and counted while an earlier one goes on.

use std::time::SystemTime;

use shim_proto::coordination::v1::Task;
use shim_store::tasks::{DueRun, Submission};

use super::invariants;
use super::test_store::{TestStore, graph, once, single};

/// A schedule that is due now.
async fn schedule(env: &TestStore, mut plan: Submission) -> String {
    plan.root.schedule = "* * * * *".to_owned();
    plan.schedule_next = Some(SystemTime::now());
    env.submit(plan).await.swap_remove(0)
}

/// Submits the run that is due, with the next one due at once; returns the schedule.
async fn run(env: &TestStore, schedule_id: &str, run: Submission, skips_overlap: bool) -> Task {
    let due = loop {
        if let Some(due) = env.sweep().await.due.into_iter().next() {
            break due;
        }
    };
    let due = DueRun {
        schedule_id: due.0,
        due_ms: due.1,
        next_ms: due.1 + 1,
        skips_overlap,
    };
    env.store
        .tasks
        .submit_run(&once(), &run, &due)
        .await
        .unwrap();
    // Another supervisor found the same run due.
    env.store
        .tasks
        .submit_run(&once(), &run, &due)
        .await
        .unwrap();
    env.task(schedule_id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_left_out_and_counted_while_an_earlier_one_waits_or_runs() {
    let env = TestStore::new().await;
    let id = schedule(&env, single("now and then")).await;
    assert_eq!(env.state(&id).await, "DELAYED");
    let (first, second) = (single("first"), single("second"));
    let first_id = first.root.task_id.clone();
    let counts = |task: &Task| (task.runs, task.runs_left_out);
    let after = run(&env, &id, first, true).await;
    assert_eq!(
        (counts(&after), after.last_run_id),
        ((1, 0), first_id.clone())
    );
    // It waits, then it runs.
    assert_eq!(
        counts(&run(&env, &id, single("too soon"), true).await),
        (1, 1)
    );
    let claimed = env.claim_soon("w").await;
    assert_eq!(claimed.task.task_id, first_id);
    assert_eq!(
        counts(&run(&env, &id, single("too soon"), true).await),
        (1, 2)
    );
    env.complete(&claimed, "done").await;
    let after = run(&env, &id, second, true).await;
    assert_eq!(counts(&after), (2, 2));
    assert_eq!(env.state(&after.last_run_id).await, "READY");
    // Unless every run is wanted.
    assert_eq!(
        counts(&run(&env, &id, single("beside it"), false).await),
        (3, 2)
    );
    invariants::assert_hold(&env.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_schedule_takes_its_run_along_and_goes_on_when_it_is_retried() {
    let env = TestStore::new().await;
    let id = schedule(&env, graph(&[&[], &[0]])).await;
    let due = env.sweep().await.due;
    run(&env, &id, single("run"), true).await;
    assert_eq!(env.cancel(&id).await, 4);
    let late = DueRun {
        schedule_id: id.clone(),
        due_ms: due[0].1 + 1,
        next_ms: due[0].1 + 2,
        skips_overlap: false,
    };
    let (request, late_run) = (once(), single("late"));
    let run_late = env.store.tasks.submit_run(&request, &late_run, &late);
    run_late.await.unwrap();
    let schedule = env.task(&id).await;
    assert_eq!(schedule.runs, 1);
    assert_eq!(env.state(&schedule.last_run_id).await, "CANCELLED");
    assert!(env.sweep().await.due.is_empty());
    invariants::assert_hold(&env.store).await;

    let soon = SystemTime::now();
    let resumed = env.store.tasks.resume_schedule(&once(), &id, soon).await;
    assert_eq!(resumed.unwrap().1, 3);
    assert_eq!(env.state(&id).await, "DELAYED");
    // Nothing of the schedule itself runs.
    assert!(env.claim("w").await.is_none());
    let after = run(&env, &id, single("again"), true).await;
    assert_eq!((after.runs, after.runs_left_out), (2, 0));
    assert_eq!(env.cancel(&id).await, 4);
    invariants::assert_hold(&env.store).await;
}
