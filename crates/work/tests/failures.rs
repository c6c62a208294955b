//! The life of a worker among executors and backends that fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use shim_checks::within;
use shim_proto::coordination::v1::{WorkerHealth, WorkerState};
use shim_proto::fitness::HoldCause;
use shim_work::{AttemptOutcome, ClaimedTask, Hindrance, ProgressHandle, Unfit, WorkerOptions};

use crate::executors::{FnExecutor, done};
use crate::memory_task_backend::BackendCall;
use crate::test_env::{TestEnv, claim, completed, failed, held, options, start_worker};

#[tokio::test]
async fn a_panic_costs_its_task_only() {
    let executor =
        FnExecutor(
            |claim: &ClaimedTask, _: &ProgressHandle| match claim.task.goal.as_str() {
                "bad" => panic!("out of range"),
                goal => done(goal),
            },
        );
    let (backend, worker) = start_worker(Arc::new(executor), options());
    backend.push(claim("bad"));
    backend.push(claim("good"));
    let (task, failure) = backend.wait_for(failed).await;
    assert_eq!(task, "bad");
    assert!(failure.is_crash && failure.error.message.ends_with("panicked: out of range"));
    assert_eq!(backend.wait_for(completed).await.0, "good");
    assert_eq!(worker.report().restarts, 1);
}

#[tokio::test]
async fn silence_is_reported_once_and_kills_nothing() {
    let env = TestEnv::new();
    let executor = env.script(
        "while ! [ -e go ]; do sleep 0.01; done; echo on; while ! [ -e end ]; do sleep 0.01; done",
    );
    let stuck_after = Duration::from_millis(200);
    let (backend, worker) = start_worker(
        executor,
        WorkerOptions {
            stuck_after,
            ..options()
        },
    );
    backend.push(claim("t"));
    let stuck = |call| matches!(call, BackendCall::Stuck(_)).then_some(());
    backend.wait_for(stuck).await;
    assert!(worker.report().tasks[0].stuck);
    // The next confirmation comes long after a second report would have.
    backend
        .wait_for(|call| match call {
            BackendCall::Stuck(_) => panic!("reported twice"),
            call => matches!(call, BackendCall::Confirm(_)).then_some(()),
        })
        .await;
    std::fs::write(env.path("go"), "").unwrap();
    backend.wait_for(stuck).await;
    std::fs::write(env.path("end"), "").unwrap();
    assert_eq!(backend.wait_for(completed).await.1.text, "on\n");
}

#[tokio::test]
async fn a_result_is_kept_until_the_store_is_back() {
    let (backend, worker) = start_worker(
        Arc::new(FnExecutor(|_: &ClaimedTask, _: &ProgressHandle| done("42"))),
        options(),
    );
    backend.set_unavailable(true);
    backend.push(claim("t"));
    for _ in 0..3 {
        backend.wait_for(completed).await;
    }
    assert_eq!(worker.report().completed, 0);
    backend.set_unavailable(false);
    assert_eq!(backend.wait_for(completed).await.1.text, "42");
    within(worker.reached(WorkerState::Idle)).await;
    assert_eq!(worker.report().completed, 1);
}

#[tokio::test]
async fn a_result_that_cannot_be_delivered_does_not_hold_up_the_end() {
    let (backend, worker) = start_worker(
        Arc::new(FnExecutor(|_: &ClaimedTask, _: &ProgressHandle| done("42"))),
        options(),
    );
    backend.set_unavailable(true);
    backend.push(claim("t"));
    backend.wait_for(completed).await;
    worker.stop();
    within(worker.stopped()).await;
}

#[tokio::test]
async fn a_missing_program_makes_it_unhealthy_until_it_is_there() {
    let env = TestEnv::new();
    let program = env.path("late");
    let executor = env.program(program.clone(), "");
    let (backend, worker) = start_worker(executor, options());
    backend.push(claim("t"));
    let detail = backend
        .wait_for(|call| match call {
            BackendCall::Heartbeat(heartbeat) if heartbeat.health == WorkerHealth::Unhealthy => {
                Some(heartbeat)
            }
            _ => None,
        })
        .await;
    assert_eq!(detail.state, WorkerState::Starting);
    assert!(detail.detail.contains("late"), "{detail:?}");
    assert_eq!(backend.waiting(), 1);
    std::os::unix::fs::symlink("/bin/true", &program).unwrap();
    assert_eq!(backend.wait_for(completed).await.0, "t");
    within(worker.reached(WorkerState::Idle)).await;
    assert_eq!(worker.report().heartbeat.health, WorkerHealth::Healthy);
}

#[tokio::test]
async fn a_program_that_vanishes_gives_its_task_back() {
    let executor = FnExecutor(|_: &ClaimedTask, _: &ProgressHandle| {
        AttemptOutcome::NotRunnable("program: not found".to_owned())
    });
    let (backend, _worker) = start_worker(Arc::new(executor), options());
    backend.push(claim("t"));
    assert_eq!(
        backend.wait_for(held).await,
        ("t".to_owned(), HoldCause::Untimed)
    );
}

#[tokio::test]
async fn one_crash_after_the_other_makes_it_degraded() {
    let env = TestEnv::new();
    let (backend, worker) = start_worker(env.script("[ -e mended ] || kill -SEGV $$"), options());
    for task in ["a", "b", "c"] {
        backend.push(claim(task));
        assert!(backend.wait_for(failed).await.1.is_crash);
    }
    backend.wait_for(|call| {
        matches!(call, BackendCall::Heartbeat(heartbeat) if heartbeat.health == WorkerHealth::Degraded).then_some(())
    })
    .await;
    std::fs::write(env.path("mended"), "").unwrap();
    backend.push(claim("d"));
    assert_eq!(backend.wait_for(completed).await.0, "d");
    within(worker.reached(WorkerState::Idle)).await;
    let report = worker.report();
    assert_eq!(report.heartbeat.health, WorkerHealth::Healthy);
    assert_eq!((report.failed, report.restarts), (3, 3));
}

/// An executor that is unfit so often, for this long each time, and then does everything.
fn unfit_executor(
    times: u32,
    span: Option<Duration>,
) -> FnExecutor<impl Fn(&ClaimedTask, &ProgressHandle) -> AttemptOutcome + Send + Sync> {
    let runs = AtomicU32::new(0);
    FnExecutor(move |claim: &ClaimedTask, _: &ProgressHandle| {
        if runs.fetch_add(1, Ordering::SeqCst) >= times {
            return done(&claim.task.goal);
        }
        AttemptOutcome::Unfit(Unfit {
            why: "You've hit your limit".to_owned(),
            until: span.map(|span| SystemTime::now() + span),
            hindrance: Hindrance::Lasting,
        })
    })
}

#[tokio::test]
async fn an_unfit_worker_gives_one_task_back_and_takes_no_other_until_its_time() {
    let executor = unfit_executor(1, Some(Duration::from_secs(3_600)));
    let (backend, worker) = start_worker(Arc::new(executor), options());
    for task in ["a", "b", "c"] {
        backend.push(claim(task));
    }
    assert_eq!(
        backend.wait_for(held).await,
        ("a".to_owned(), HoldCause::Timed)
    );
    let heartbeat = backend
        .wait_for(|call| match call {
            BackendCall::Heartbeat(now) if now.health == WorkerHealth::Unhealthy => Some(now),
            BackendCall::Hold(goal, _) => panic!("{goal} is tried, too"),
            _ => None,
        })
        .await;
    assert_eq!(heartbeat.detail, "You've hit your limit");
    assert!(heartbeat.unfit_until.unwrap() > SystemTime::now());
    assert_eq!(backend.waiting(), 2);
    let report = worker.report();
    assert_eq!((report.held, report.failed, report.completed), (1, 0, 0));
}

#[tokio::test]
async fn an_unfit_worker_tries_one_task_after_its_pause_and_goes_on_when_it_went_well() {
    let capacity = 3;
    let worker_options = WorkerOptions {
        capacity,
        ..options()
    };
    let executor = unfit_executor(1, Some(Duration::from_millis(50)));
    let (backend, worker) = start_worker(Arc::new(executor), worker_options);
    backend.push(claim("a"));
    backend.wait_for(held).await;
    for task in ["b", "c", "d"] {
        backend.push(claim(task));
    }
    for _ in 0..3 {
        backend.wait_for(completed).await;
    }
    within(worker.reached(WorkerState::Idle)).await;
    let report = worker.report();
    assert_eq!(report.heartbeat.health, WorkerHealth::Healthy);
    assert_eq!((report.held, report.completed), (1, 3));
}
