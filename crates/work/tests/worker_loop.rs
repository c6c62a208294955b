//! The life of a worker when all goes well: claiming, reporting, draining.

use std::sync::Arc;

use futures::future::BoxFuture;
use shim_checks::{TIMEOUT, within};
use shim_proto::coordination::v1::{Usage, WorkerState};
use shim_proto::reasons::task::TIMED_OUT;
use shim_runtime::ids::CheckpointId;
use shim_work::{
    AttemptFailure, AttemptOutcome, ClaimedTask, Executor, ProgressHandle, ProgressUpdate,
    WorkerOptions,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::executors::{FnExecutor, done};
use crate::memory_task_backend::BackendCall;
use crate::test_env::{TestEnv, claim, completed, failed, options, released, start_worker, state};

#[tokio::test]
async fn a_worker_does_one_task_after_the_other_and_reports_its_states() {
    let env = TestEnv::new();
    let (backend, worker) = start_worker(env.script("echo \"$GOAL\""), options());
    backend.wait_for(state(WorkerState::Idle)).await;
    for task in ["a", "b"] {
        backend.push(claim(task));
    }
    backend.wait_for(state(WorkerState::Busy)).await;
    for task in ["a", "b"] {
        let (completed, result) = backend.wait_for(completed).await;
        assert_eq!((completed.as_str(), result.text.trim_end()), (task, task));
    }
    worker.drain(TIMEOUT);
    backend
        .wait_for(|call| (call == BackendCall::Deregister).then_some(()))
        .await;
    within(worker.stopped()).await;
    let report = worker.report();
    assert_eq!(
        (report.completed, report.failed, report.restarts),
        (2, 0, 0)
    );
    assert_eq!(report.heartbeat.running, 0);
}

#[tokio::test]
async fn a_worker_takes_as_many_tasks_as_its_capacity_and_no_more() {
    let env = TestEnv::new();
    let executor = env.script("while ! [ -e go ]; do sleep 0.01; done");
    let (backend, worker) = start_worker(
        executor,
        WorkerOptions {
            capacity: 2,
            ..options()
        },
    );
    for task in ["a", "b", "c"] {
        backend.push(claim(task));
    }
    within(worker.reached(WorkerState::Busy)).await;
    assert_eq!((worker.report().tasks.len(), backend.waiting()), (2, 1));
    std::fs::write(env.path("go"), "").unwrap();
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(backend.wait_for(completed).await.0);
    }
    all.sort_unstable();
    assert_eq!(all, ["a", "b", "c"]);
}

/// Spends `(10, 1)` tokens at once, and `(0, 8)` and half a dollar when it may end.
struct Spender(Arc<Notify>);

impl Executor for Spender {
    fn check_runnable(&self) -> Result<(), String> {
        Ok(())
    }

    fn run<'a>(
        &'a self,
        _: &'a ClaimedTask,
        progress: &'a ProgressHandle,
        _: &'a CancellationToken,
    ) -> BoxFuture<'a, AttemptOutcome> {
        let update = |note: Option<&str>, [input_tokens, output_tokens]: [u64; 2], cost_usd| {
            progress.update(ProgressUpdate {
                note: note.map(str::to_owned),
                usage: Usage {
                    input_tokens,
                    output_tokens,
                    cost_usd,
                    ..Usage::default()
                },
                ..ProgressUpdate::default()
            });
        };
        Box::pin(async move {
            update(Some("Reading"), [10, 1], 0.0);
            self.0.notified().await;
            update(None, [0, 8], 0.5);
            done("ok")
        })
    }
}

#[tokio::test]
async fn progress_is_reported_while_the_executor_works_and_its_cost_once() {
    let may_end = Arc::new(Notify::new());
    let (backend, _worker) = start_worker(Arc::new(Spender(may_end.clone())), options());
    backend.push(claim("t"));
    let update = backend
        .wait_for(|call| match call {
            BackendCall::Report(_, update) => Some(update),
            _ => None,
        })
        .await;
    assert_eq!(update.note.as_deref(), Some("Reading"));
    assert_eq!(
        (update.usage.input_tokens, update.usage.output_tokens),
        (10, 1)
    );
    may_end.notify_one();
    let mut rest = Usage::default();
    let mut add = |usage: Usage| {
        rest.input_tokens += usage.input_tokens;
        rest.output_tokens += usage.output_tokens;
        rest.cost_usd += usage.cost_usd;
    };
    backend
        .wait_for(|call| match call {
            BackendCall::Report(_, update) => {
                add(update.usage);
                None
            }
            BackendCall::Complete(_, _, usage) => {
                add(usage);
                Some(())
            }
            _ => None,
        })
        .await;
    assert_eq!((rest.input_tokens, rest.output_tokens), (0, 8));
    assert_eq!(rest.cost_usd, 0.5);
}

#[tokio::test]
async fn a_chatty_program_is_reported_twice_a_second_at_most() {
    let env = TestEnv::new();
    let (backend, _worker) = start_worker(
        env.script("for i in $(seq 200); do echo $i; sleep 0.005; done"),
        options(),
    );
    backend.push(claim("t"));
    let (mut reports, begun) = (0, tokio::time::Instant::now());
    backend
        .wait_for(|call| {
            reports += u32::from(matches!(call, BackendCall::Report(..)));
            completed(call)
        })
        .await;
    let most = begun.elapsed().as_secs_f64() * 2.0 + 1.0;
    assert!(
        (2.0..=most).contains(&f64::from(reports)),
        "{reports}, at most {most}"
    );
}

#[tokio::test]
async fn a_task_whose_claim_is_over_ends_at_once_and_nothing_more_is_reported() {
    for script in [
        // The first talks, so a report is refused; the second is silent, so its claim is confirmed.
        "while :; do echo more; sleep 0.01; done",
        "sleep 1000 & sleep 1000",
    ] {
        let env = TestEnv::new();
        let (executor, mut lifeline) = env.with_lifeline(script);
        let (backend, worker) = start_worker(executor, options());
        backend.push(claim("lost"));
        lifeline.opened().await;
        backend.revoke("lost");
        lifeline.closed().await;
        within(worker.reached(WorkerState::Idle)).await;
        worker.drain(TIMEOUT);
        backend
            .wait_for(|call| match call {
                BackendCall::Deregister => Some(()),
                BackendCall::Complete(..) | BackendCall::Fail(..) | BackendCall::Release(..) => {
                    panic!("reported: {call:?}")
                }
                _ => None,
            })
            .await;
    }
}

#[tokio::test]
async fn a_drain_waits_for_what_runs_and_takes_nothing_new() {
    let env = TestEnv::new();
    let (backend, worker) = start_worker(
        env.script("while ! [ -e go ]; do sleep 0.01; done"),
        options(),
    );
    backend.push(claim("a"));
    within(worker.reached(WorkerState::Busy)).await;
    worker.drain(TIMEOUT);
    backend.wait_for(state(WorkerState::Draining)).await;
    backend.push(claim("b"));
    std::fs::write(env.path("go"), "").unwrap();
    assert_eq!(backend.wait_for(completed).await.0, "a");
    within(worker.stopped()).await;
    assert_eq!(backend.waiting(), 1);
}

#[tokio::test]
async fn what_a_drain_cannot_wait_for_is_killed_and_given_back() {
    let env = TestEnv::new();
    let (executor, mut lifeline) = env.with_lifeline("echo half; sleep 1000");
    let (backend, worker) = start_worker(executor, options());
    backend.push(claim("t"));
    lifeline.opened().await;
    worker.drain(TIMEOUT * 10);
    backend.wait_for(state(WorkerState::Draining)).await;
    worker.stop();
    lifeline.closed().await;
    assert_eq!(backend.wait_for(released).await, "t");
    within(worker.stopped()).await;
}

#[tokio::test]
async fn a_task_out_of_time_fails_after_its_last_checkpoint_was_reported() {
    let checkpoint_id = CheckpointId::new();
    let saves = FnExecutor(move |_: &ClaimedTask, progress: &ProgressHandle| {
        progress.update(ProgressUpdate {
            checkpoint_id: Some(checkpoint_id),
            ..ProgressUpdate::default()
        });
        AttemptOutcome::Failed(AttemptFailure::new(TIMED_OUT, ""))
    });
    let (backend, _worker) = start_worker(Arc::new(saves), options());
    backend.push(claim("t"));
    let mut saved = None;
    backend
        .wait_for(|call| {
            if let BackendCall::Report(_, update) = &call {
                saved = update.checkpoint_id;
            }
            failed(call)
        })
        .await;
    assert_eq!(saved, Some(checkpoint_id));
}

#[tokio::test]
async fn a_dropped_worker_leaves_no_process() {
    let env = TestEnv::new();
    let (executor, mut lifeline) = env.with_lifeline("sleep 1000 & sleep 1000");
    let (backend, worker) = start_worker(executor, options());
    backend.push(claim("t"));
    lifeline.opened().await;
    drop(worker);
    lifeline.closed().await;
}
