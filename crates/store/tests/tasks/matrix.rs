//! Every decision in every state: which are taken, which are refused, and that a repetition changes nothing.

use std::time::Duration;

use shim_proto::coordination::v1::{ApprovalGates, Task, TaskError, Usage};
use shim_runtime::ids::{Epoch, LeaseToken};
use shim_store::{Error, IdempotencyKey};

use super::invariants;
use super::test_store::{TestStore, claimer, graph, once, result, single};

/// The states, with one for each of the two gates.
const STATES: [&str; 9] = [
    "PENDING",
    "DELAYED",
    "AWAITING start",
    "READY",
    "RUNNING",
    "AWAITING result",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
];

/// What each decision makes of a task in each of the states above; "-" is a refusal, "=" no change.
const DECISIONS: [(&str, [&str; 9]); 11] = [
    (
        "report",
        ["-", "-", "-", "-", "RUNNING", "-", "-", "-", "-"],
    ),
    (
        "complete",
        ["-", "-", "-", "-", "COMPLETED", "-", "-", "-", "-"],
    ),
    ("fail", ["-", "-", "-", "-", "DELAYED", "-", "-", "-", "-"]),
    (
        "fail for good",
        ["-", "-", "-", "-", "FAILED", "-", "-", "-", "-"],
    ),
    ("release", ["-", "-", "-", "-", "READY", "-", "-", "-", "-"]),
    (
        "cancel",
        [
            "CANCELLED",
            "CANCELLED",
            "CANCELLED",
            "CANCELLED",
            "CANCELLED",
            "CANCELLED",
            "=",
            "=",
            "=",
        ],
    ),
    (
        "retry",
        ["-", "-", "-", "-", "-", "-", "-", "READY", "READY"],
    ),
    (
        "approve",
        ["-", "-", "READY", "-", "-", "COMPLETED", "-", "-", "-"],
    ),
    (
        "reject",
        ["-", "-", "CANCELLED", "-", "-", "FAILED", "-", "-", "-"],
    ),
    (
        "worker gone",
        ["=", "=", "=", "=", "READY", "=", "=", "=", "="],
    ),
    ("claim", ["-", "-", "-", "RUNNING", "-", "-", "-", "-", "-"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_in_every_state() {
    let env = TestStore::new().await;
    for (decision, outcomes) in DECISIONS {
        for (state, expected) in STATES.iter().zip(outcomes) {
            let what = format!("{decision} while {state}");
            let (id, lease) = in_state(&env, state, &what).await;
            let before = shown(&env.task(&id).await);
            assert_eq!(before, state.split(' ').next().unwrap(), "{what}");

            let (once, tries) = (once(), 2);
            for attempt in 0..tries {
                let made = decide(&env, decision, &once, &id, lease, &what).await;
                // A claim is known by its request only if it has one; a report has no effect that counts.
                let is_repeatable = decision != "claim";
                if attempt == 0 || is_repeatable {
                    assert_eq!(made.is_err(), expected == "-", "{what}: {made:?}");
                }
                let after = shown(&env.task(&id).await);
                let wanted = if ["-", "="].contains(&expected) {
                    &before
                } else {
                    expected
                };
                assert_eq!(after, *wanted, "{what}, time {attempt}");
            }
            invariants::assert_hold(&env.store).await;
            env.cancel(&env.task(&id).await.root_id).await;
        }
    }
    quiet(&env).await;
}

/// Sweeps until everything was relayed.
async fn quiet(env: &TestStore) {
    while env.store.tasks.health().await.unwrap().outbox > 0 {
        env.sweep().await;
    }
    invariants::assert_quiet(&env.store, &[]).await;
}

fn shown(task: &Task) -> String {
    let state = task.state().as_str_name().trim_start_matches("TASK_STATE_");
    state.trim_end_matches("_APPROVAL").to_owned()
}

/// A task in a state, and the lease of the worker that has it or had it.
async fn in_state(env: &TestStore, state: &str, worker: &str) -> (String, LeaseToken) {
    let mut plan = match state {
        "PENDING" => graph(&[&[], &[0]]),
        _ => single("one"),
    };
    match state {
        "DELAYED" => plan.delay = Duration::from_secs(60),
        "AWAITING start" => {
            plan.root.approval = Some(ApprovalGates {
                before_start: true,
                before_result: false,
            });
        }
        "AWAITING result" => {
            plan.root.approval = Some(ApprovalGates {
                before_start: false,
                before_result: true,
            });
        }
        _ => {}
    }
    let ids = env.submit(plan).await;
    if state == "PENDING" {
        env.claim_soon("another").await;
        return (ids[2].clone(), LeaseToken(7));
    }
    if ["DELAYED", "AWAITING start", "READY"].contains(&state) {
        return (ids[0].clone(), LeaseToken(7));
    }
    let claimed = env.claim_soon(worker).await;
    assert_eq!(claimed.task.task_id, ids[0]);
    match state {
        "COMPLETED" | "AWAITING result" => env.complete(&claimed, "done").await,
        "FAILED" => drop(env.fail(&claimed, true).await),
        "CANCELLED" => drop(env.cancel(&ids[0]).await),
        _ => {}
    }
    (ids[0].clone(), claimed.lease)
}

async fn decide(
    env: &TestStore,
    decision: &str,
    once: &IdempotencyKey,
    id: &str,
    lease: LeaseToken,
    worker: &str,
) -> Result<(), Error> {
    let (tasks, usage) = (&env.store.tasks, Usage::default());
    let error = TaskError {
        reason: "EXECUTOR_FAILED".to_owned(),
        message: "it broke".to_owned(),
    };
    match decision {
        "report" => {
            let report = shim_store::tasks::ProgressReport::default();
            tasks.report(id, lease, &report).await.map(drop)
        }
        "complete" => {
            let done = result("done");
            let done = tasks.complete(once, id, lease, &done, &usage);
            done.await.map(drop)
        }
        "fail" => {
            let failed = tasks.fail(once, id, lease, &error, false, &usage);
            failed.await.map(drop)
        }
        "fail for good" => {
            let failed = tasks.fail(once, id, lease, &error, true, &usage);
            failed.await.map(drop)
        }
        "release" => tasks.release(once, id, lease, "").await.map(drop),
        "cancel" => tasks.cancel(once, id, "").await.map(drop),
        "retry" => tasks.retry(once, id).await.map(drop),
        "approve" => tasks.approve(once, id, false, "").await.map(drop),
        "reject" => tasks.approve(once, id, true, "no").await.map(drop),
        "worker gone" => {
            // Whoever had it is gone; the next worker of that name is another incarnation.
            env.release_worker_tasks(worker, true).await;
            Ok(())
        }
        _ => {
            let mut again = claimer("v");
            again.epoch = Epoch(2);
            match tasks.take("work", &again).await? {
                Some(claimed) => {
                    assert_eq!(claimed.task.task_id, id);
                    Ok(())
                }
                None => Err(Error::TaskNotFound(id.to_owned())),
            }
        }
    }
}
