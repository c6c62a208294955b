//! The life of a worker among programs and stores that fail.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use shim_proto::coordination::v1::{TaskResult, WorkerHealth, WorkerState};
use shim_worker::ExecutorKind::Command;
use shim_worker::executor::{Claim, Executor, Outcome, Pulse};
use shim_worker::life::Terms;
use tokio_util::sync::CancellationToken;

use crate::executor::desk::Said;
use crate::executor::house::{House, within};
use crate::executor::shifts::{claim, completed, failed, hire, released, terms};

/// An executor that does what a story needs, without a process.
struct Stand<F>(F);

impl<F> Executor for Stand<F>
where
    F: Fn(&Claim) -> Outcome + Send + Sync,
{
    fn fitness(&self) -> Result<(), String> {
        Ok(())
    }

    fn run<'a>(
        &'a self,
        claim: &'a Claim,
        _: &'a Pulse,
        _: &'a CancellationToken,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { (self.0)(claim) })
    }
}

fn done(text: &str) -> Outcome {
    Outcome::Completed(TaskResult {
        text: text.to_owned(),
        ..TaskResult::default()
    })
}

#[tokio::test]
async fn a_panic_costs_its_task_only() {
    let executor = Stand(|claim: &Claim| match claim.task.task_id.as_str() {
        "bad" => panic!("out of range"),
        id => done(id),
    });
    let (desk, worker) = hire(Arc::new(executor), terms());
    desk.offer(claim("bad"));
    desk.offer(claim("good"));
    let (task, failure) = desk.hears(failed).await;
    assert_eq!(task, "bad");
    assert!(failure.is_crash && failure.error.message.ends_with("panicked: out of range"));
    assert_eq!(desk.hears(completed).await.0, "good");
    assert_eq!(worker.report().restarts, 1);
}

#[tokio::test]
async fn silence_is_told_once_and_kills_nothing() {
    let house = House::new();
    let executor = house.command(
        "while ! [ -e go ]; do sleep 0.01; done; echo on; while ! [ -e end ]; do sleep 0.01; done",
    );
    let stuck_after = Duration::from_millis(200);
    let (desk, worker) = hire(
        executor,
        Terms {
            stuck_after,
            ..terms()
        },
    );
    desk.offer(claim("t"));
    let stuck = |said| matches!(said, Said::Stuck(_)).then_some(());
    desk.hears(stuck).await;
    assert!(worker.report().tasks[0].stuck);
    // The next confirmation comes long after a second telling would have.
    desk.hears(|said| match said {
        Said::Stuck(_) => panic!("told twice"),
        said => matches!(said, Said::Confirm(_)).then_some(()),
    })
    .await;
    std::fs::write(house.root().join("go"), "").unwrap();
    desk.hears(stuck).await;
    std::fs::write(house.root().join("end"), "").unwrap();
    assert_eq!(desk.hears(completed).await.1.text, "on\n");
}

#[tokio::test]
async fn a_result_is_kept_until_the_store_is_back() {
    let (desk, worker) = hire(Arc::new(Stand(|_: &Claim| done("42"))), terms());
    desk.set_away(true);
    desk.offer(claim("t"));
    for _ in 0..3 {
        desk.hears(completed).await;
    }
    assert_eq!(worker.report().completed, 0);
    desk.set_away(false);
    assert_eq!(desk.hears(completed).await.1.text, "42");
    within(worker.reached(WorkerState::Idle)).await;
    assert_eq!(worker.report().completed, 1);
}

#[tokio::test]
async fn a_result_that_cannot_be_delivered_does_not_hold_up_the_end() {
    let (desk, worker) = hire(Arc::new(Stand(|_: &Claim| done("42"))), terms());
    desk.set_away(true);
    desk.offer(claim("t"));
    desk.hears(completed).await;
    worker.stop();
    within(worker.stopped()).await;
}

#[tokio::test]
async fn a_missing_program_makes_it_unhealthy_until_it_is_there() {
    let house = House::new();
    let program = house.root().join("late");
    let executor = house.executor(Command, "", |config| config.program = program.clone());
    let (desk, worker) = hire(executor, terms());
    desk.offer(claim("t"));
    let detail = desk
        .hears(|said| match said {
            Said::Beat(vitals) if vitals.health == WorkerHealth::Unhealthy => Some(vitals),
            _ => None,
        })
        .await;
    assert_eq!(detail.state, WorkerState::Starting);
    assert!(detail.detail.contains("late"), "{detail:?}");
    assert_eq!(desk.waiting(), 1);
    std::os::unix::fs::symlink("/bin/true", &program).unwrap();
    assert_eq!(desk.hears(completed).await.0, "t");
    within(worker.reached(WorkerState::Idle)).await;
    assert_eq!(worker.report().vitals.health, WorkerHealth::Healthy);
}

#[tokio::test]
async fn a_program_that_vanishes_gives_its_task_back() {
    let executor = Stand(|_: &Claim| Outcome::Unfit("program: not found".to_owned()));
    let (desk, _worker) = hire(Arc::new(executor), terms());
    desk.offer(claim("t"));
    assert_eq!(desk.hears(released).await, "t");
}

#[tokio::test]
async fn one_crash_after_the_other_makes_it_degraded() {
    let house = House::new();
    let (desk, worker) = hire(house.command("[ -e mended ] || kill -SEGV $$"), terms());
    for task in ["a", "b", "c"] {
        desk.offer(claim(task));
        assert!(desk.hears(failed).await.1.is_crash);
    }
    desk.hears(|said| {
        matches!(said, Said::Beat(vitals) if vitals.health == WorkerHealth::Degraded).then_some(())
    })
    .await;
    std::fs::write(house.root().join("mended"), "").unwrap();
    desk.offer(claim("d"));
    assert_eq!(desk.hears(completed).await.0, "d");
    within(worker.reached(WorkerState::Idle)).await;
    let report = worker.report();
    assert_eq!(report.vitals.health, WorkerHealth::Healthy);
    assert_eq!((report.failed, report.restarts), (3, 3));
}
