//! The life of a worker when all goes well: claiming, telling, draining.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use shim_proto::coordination::v1::{TaskResult, WorkerState};
use shim_worker::ExecutorKind::{Agent, Command};
use shim_worker::executor::{Claim, Executor, Failure, News, Outcome, Pulse, TIMED_OUT};
use shim_worker::life::{Terms, Worker};
use tokio_util::sync::CancellationToken;

use crate::executor::desk::{MemoryDesk, Said};
use crate::executor::house::{self, House, within};
use crate::executor::lifeline::Lifeline;

static LEASES: AtomicU64 = AtomicU64::new(1);

pub(crate) fn claim(task_id: &str) -> Claim {
    Claim {
        lease: LEASES.fetch_add(1, Ordering::SeqCst),
        ..house::claim(task_id)
    }
}

pub(crate) fn terms() -> Terms {
    Terms {
        capacity: 1,
        stuck_after: Duration::from_secs(60),
        beat_every: Duration::from_secs(60),
        claim_wait: Duration::from_secs(60),
    }
}

/// A worker at a desk of its own.
pub(crate) fn hire(executor: Arc<dyn Executor>, terms: Terms) -> (Arc<MemoryDesk>, Worker) {
    let desk = Arc::new(MemoryDesk::new());
    let worker = Worker::start(Arc::clone(&desk), executor, terms);
    (desk, worker)
}

pub(crate) fn completed(said: Said) -> Option<(String, TaskResult)> {
    match said {
        Said::Complete(task, result, _) => Some((task, result)),
        _ => None,
    }
}

pub(crate) fn failed(said: Said) -> Option<(String, Failure)> {
    match said {
        Said::Fail(task, failure, _) => Some((task, failure)),
        _ => None,
    }
}

pub(crate) fn released(said: Said) -> Option<String> {
    match said {
        Said::Release(task, _) => Some(task),
        _ => None,
    }
}

fn state(wanted: WorkerState) -> impl FnMut(Said) -> Option<()> {
    move |said| matches!(said, Said::Beat(vitals) if vitals.state == wanted).then_some(())
}

/// A script whose last argument is the path of a lifeline, and the lifeline.
fn living(house: &House, script: &str) -> (Arc<dyn Executor>, Lifeline) {
    let path = house.path("lifeline");
    let lifeline = Lifeline::at(&path);
    let executor = house.executor(Command, &format!("{} {script}", Lifeline::HOLD), |config| {
        config.args.push(path.to_str().unwrap().to_owned());
    });
    (executor, lifeline)
}

#[tokio::test]
async fn a_worker_does_one_task_after_the_other_and_tells_its_states() {
    let house = House::new();
    let (desk, worker) = hire(house.command("echo \"$SHIM_TASK_ID\""), terms());
    desk.hears(state(WorkerState::Idle)).await;
    for task in ["a", "b"] {
        desk.offer(claim(task));
    }
    desk.hears(state(WorkerState::Busy)).await;
    for task in ["a", "b"] {
        let (completed, result) = desk.hears(completed).await;
        assert_eq!((completed.as_str(), result.text.trim_end()), (task, task));
    }
    worker.drain(house::PATIENCE);
    desk.hears(|said| (said == Said::Leave).then_some(())).await;
    within(worker.stopped()).await;
    let report = worker.report();
    assert_eq!(
        (report.completed, report.failed, report.restarts),
        (2, 0, 0)
    );
    assert_eq!(report.vitals.running, 0);
}

#[tokio::test]
async fn it_takes_as_many_as_its_capacity_and_no_more() {
    let house = House::new();
    let executor = house.command("while ! [ -e go ]; do sleep 0.01; done");
    let (desk, worker) = hire(
        executor,
        Terms {
            capacity: 2,
            ..terms()
        },
    );
    for task in ["a", "b", "c"] {
        desk.offer(claim(task));
    }
    within(worker.reached(WorkerState::Busy)).await;
    assert_eq!((worker.report().tasks.len(), desk.waiting()), (2, 1));
    std::fs::write(house.root().join("go"), "").unwrap();
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(desk.hears(completed).await.0);
    }
    all.sort_unstable();
    assert_eq!(all, ["a", "b", "c"]);
}

#[tokio::test]
async fn what_an_agent_does_is_told_while_it_works_and_its_cost_once() {
    let house = House::new();
    let message =
        r#"{"type":"assistant","message":{"id":"m","usage":{"input_tokens":10,"output_tokens":1},
        "content":[{"type":"text","text":"Reading"}]}}"#
            .replace('\n', " ");
    let verdict = r#"{"type":"result","subtype":"success","result":"ok","total_cost_usd":0.5,
        "usage":{"input_tokens":10,"output_tokens":9}}"#
        .replace('\n', " ");
    let script =
        format!("echo '{message}'; while ! [ -e go ]; do sleep 0.01; done; echo '{verdict}'");
    let (desk, _worker) = hire(house.script(Agent, &script), terms());
    desk.offer(claim("t"));
    let news = desk
        .hears(|said| match said {
            Said::Report(_, news) => Some(news),
            _ => None,
        })
        .await;
    assert_eq!(news.note.as_deref(), Some("Reading"));
    assert_eq!((news.usage.input_tokens, news.usage.output_tokens), (10, 1));
    std::fs::write(house.root().join("go"), "").unwrap();
    let mut rest = shim_proto::coordination::v1::Usage::default();
    desk.hears(|said| match said {
        Said::Report(_, news) => {
            rest.output_tokens += news.usage.output_tokens;
            rest.cost_usd += news.usage.cost_usd;
            None
        }
        Said::Complete(_, _, usage) => {
            rest.output_tokens += usage.output_tokens;
            rest.cost_usd += usage.cost_usd;
            Some(())
        }
        _ => None,
    })
    .await;
    assert_eq!((rest.input_tokens, rest.output_tokens), (0, 8));
    assert_eq!(rest.cost_usd, 0.5);
}

#[tokio::test]
async fn a_chatty_program_is_told_of_twice_a_second_at_most() {
    let house = House::new();
    let (desk, _worker) = hire(
        house.command("for i in $(seq 200); do echo $i; sleep 0.005; done"),
        terms(),
    );
    desk.offer(claim("t"));
    let (mut reports, begun) = (0, tokio::time::Instant::now());
    desk.hears(|said| {
        reports += u32::from(matches!(said, Said::Report(..)));
        completed(said)
    })
    .await;
    let most = begun.elapsed().as_secs_f64() * 2.0 + 1.0;
    assert!(
        (2.0..=most).contains(&f64::from(reports)),
        "{reports}, at most {most}"
    );
}

#[tokio::test]
async fn a_task_that_became_anothers_ends_at_once_and_nothing_more_is_told_of_it() {
    for script in [
        // It talks, so a report is refused; it is silent, so its claim is looked at.
        "while :; do echo more; sleep 0.01; done",
        "sleep 1000 & sleep 1000",
    ] {
        let house = House::new();
        let (executor, mut lifeline) = living(&house, script);
        let (desk, worker) = hire(executor, terms());
        desk.offer(claim("lost"));
        lifeline.held().await;
        desk.lose("lost");
        lifeline.let_go().await;
        within(worker.reached(WorkerState::Idle)).await;
        worker.drain(house::PATIENCE);
        desk.hears(|said| match said {
            Said::Leave => Some(()),
            Said::Complete(..) | Said::Fail(..) | Said::Release(..) => panic!("told: {said:?}"),
            _ => None,
        })
        .await;
    }
}

#[tokio::test]
async fn a_drain_waits_for_what_runs_and_takes_nothing_new() {
    let house = House::new();
    let (desk, worker) = hire(
        house.command("while ! [ -e go ]; do sleep 0.01; done"),
        terms(),
    );
    desk.offer(claim("a"));
    within(worker.reached(WorkerState::Busy)).await;
    worker.drain(house::PATIENCE);
    desk.hears(state(WorkerState::Draining)).await;
    desk.offer(claim("b"));
    std::fs::write(house.root().join("go"), "").unwrap();
    assert_eq!(desk.hears(completed).await.0, "a");
    within(worker.stopped()).await;
    assert_eq!(desk.waiting(), 1);
}

#[tokio::test]
async fn what_a_drain_cannot_wait_for_is_killed_and_given_back() {
    let house = House::new();
    let (executor, mut lifeline) = living(&house, "echo half; sleep 1000");
    let (desk, worker) = hire(executor, terms());
    desk.offer(claim("t"));
    lifeline.held().await;
    worker.drain(house::PATIENCE * 10);
    desk.hears(state(WorkerState::Draining)).await;
    worker.stop();
    lifeline.let_go().await;
    assert_eq!(desk.hears(released).await, "t");
    within(worker.stopped()).await;
}

#[tokio::test]
async fn a_task_out_of_time_fails_with_its_last_checkpoint_told() {
    struct Saves;
    impl Executor for Saves {
        fn fitness(&self) -> Result<(), String> {
            Ok(())
        }
        fn run<'a>(
            &'a self,
            _: &'a Claim,
            pulse: &'a Pulse,
            _: &'a CancellationToken,
        ) -> BoxFuture<'a, Outcome> {
            pulse.tell(News {
                checkpoint_id: Some("c-1".to_owned()),
                ..News::default()
            });
            let failure = Failure {
                error: shim_proto::coordination::v1::TaskError {
                    reason: TIMED_OUT.to_owned(),
                    message: String::new(),
                },
                is_final: false,
                is_crash: false,
            };
            Box::pin(async move { Outcome::Failed(failure) })
        }
    }
    let (desk, _worker) = hire(Arc::new(Saves), terms());
    desk.offer(claim("t"));
    let mut saved = None;
    desk.hears(|said| {
        if let Said::Report(_, news) = &said {
            saved = news.checkpoint_id.clone();
        }
        failed(said)
    })
    .await;
    assert_eq!(saved.as_deref(), Some("c-1"));
}

#[tokio::test]
async fn a_dropped_worker_leaves_no_process() {
    let house = House::new();
    let (executor, mut lifeline) = living(&house, "sleep 1000 & sleep 1000");
    let (desk, worker) = hire(executor, terms());
    desk.offer(claim("t"));
    lifeline.held().await;
    drop(worker);
    lifeline.let_go().await;
}
