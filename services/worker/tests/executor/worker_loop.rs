//! The life of a worker when all goes well: claiming, telling, draining.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use shim_proto::coordination::v1::{TaskResult, WorkerState};
use shim_worker::ExecutorKind::{Agent, Command};
use shim_worker::executor::{
    AttemptFailure, AttemptOutcome, ClaimedTask, Executor, ProgressHandle, ProgressUpdate,
    TIMED_OUT,
};
use shim_worker::run_loop::{WorkerHandle, WorkerOptions};
use tokio_util::sync::CancellationToken;

use crate::executor::lifeline::Lifeline;
use crate::executor::memory_task_backend::{BackendCall, MemoryTaskBackend};
use crate::executor::test_env::{self, TestEnv, within};

static LEASES: AtomicU64 = AtomicU64::new(1);

pub(crate) fn claim(task_id: &str) -> ClaimedTask {
    ClaimedTask {
        lease: LEASES.fetch_add(1, Ordering::SeqCst),
        ..test_env::claim(task_id)
    }
}

pub(crate) fn options() -> WorkerOptions {
    WorkerOptions {
        capacity: 1,
        stuck_after: Duration::from_secs(60),
        heartbeat_every: Duration::from_secs(60),
        claim_wait: Duration::from_secs(60),
    }
}

/// A worker at a desk of its own.
pub(crate) fn start_worker(
    executor: Arc<dyn Executor>,
    options: WorkerOptions,
) -> (Arc<MemoryTaskBackend>, WorkerHandle) {
    let backend = Arc::new(MemoryTaskBackend::new());
    let worker = WorkerHandle::start(Arc::clone(&backend), executor, options);
    (backend, worker)
}

pub(crate) fn completed(call: BackendCall) -> Option<(String, TaskResult)> {
    match call {
        BackendCall::Complete(task, result, _) => Some((task, result)),
        _ => None,
    }
}

pub(crate) fn failed(call: BackendCall) -> Option<(String, AttemptFailure)> {
    match call {
        BackendCall::Fail(task, failure, _) => Some((task, failure)),
        _ => None,
    }
}

pub(crate) fn released(call: BackendCall) -> Option<String> {
    match call {
        BackendCall::Release(task, _) => Some(task),
        _ => None,
    }
}

fn state(wanted: WorkerState) -> impl FnMut(BackendCall) -> Option<()> {
    move |call| {
        matches!(call, BackendCall::Heartbeat(heartbeat) if heartbeat.state == wanted).then_some(())
    }
}

/// A script whose last argument is the path of a lifeline, and the lifeline.
fn with_lifeline(env: &TestEnv, script: &str) -> (Arc<dyn Executor>, Lifeline) {
    let path = env.path("lifeline");
    let lifeline = Lifeline::at(&path);
    let executor = env.executor(Command, &format!("{} {script}", Lifeline::HOLD), |config| {
        config.args.push(path.to_str().unwrap().to_owned());
    });
    (executor, lifeline)
}

#[tokio::test]
async fn a_worker_does_one_task_after_the_other_and_tells_its_states() {
    let env = TestEnv::new();
    let (backend, worker) = start_worker(env.command("echo \"$SHIM_TASK_ID\""), options());
    backend.wait_for(state(WorkerState::Idle)).await;
    for task in ["a", "b"] {
        backend.push(claim(task));
    }
    backend.wait_for(state(WorkerState::Busy)).await;
    for task in ["a", "b"] {
        let (completed, result) = backend.wait_for(completed).await;
        assert_eq!((completed.as_str(), result.text.trim_end()), (task, task));
    }
    worker.drain(test_env::TIMEOUT);
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
async fn it_takes_as_many_as_its_capacity_and_no_more() {
    let env = TestEnv::new();
    let executor = env.command("while ! [ -e go ]; do sleep 0.01; done");
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
    std::fs::write(env.root().join("go"), "").unwrap();
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(backend.wait_for(completed).await.0);
    }
    all.sort_unstable();
    assert_eq!(all, ["a", "b", "c"]);
}

#[tokio::test]
async fn what_an_agent_does_is_told_while_it_works_and_its_cost_once() {
    let env = TestEnv::new();
    let message =
        r#"{"type":"assistant","message":{"id":"m","usage":{"input_tokens":10,"output_tokens":1},
        "content":[{"type":"text","text":"Reading"}]}}"#
            .replace('\n', " ");
    let verdict = r#"{"type":"result","subtype":"success","result":"ok","total_cost_usd":0.5,
        "usage":{"input_tokens":10,"output_tokens":9}}"#
        .replace('\n', " ");
    let script =
        format!("echo '{message}'; while ! [ -e go ]; do sleep 0.01; done; echo '{verdict}'");
    let (backend, _worker) = start_worker(env.script(Agent, &script), options());
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
    std::fs::write(env.root().join("go"), "").unwrap();
    let mut rest = shim_proto::coordination::v1::Usage::default();
    backend
        .wait_for(|call| match call {
            BackendCall::Report(_, update) => {
                rest.output_tokens += update.usage.output_tokens;
                rest.cost_usd += update.usage.cost_usd;
                None
            }
            BackendCall::Complete(_, _, usage) => {
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
    let env = TestEnv::new();
    let (backend, _worker) = start_worker(
        env.command("for i in $(seq 200); do echo $i; sleep 0.005; done"),
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
async fn a_task_that_became_anothers_ends_at_once_and_nothing_more_is_told_of_it() {
    for script in [
        // It talks, so a report is refused; it is silent, so its claim is looked at.
        "while :; do echo more; sleep 0.01; done",
        "sleep 1000 & sleep 1000",
    ] {
        let env = TestEnv::new();
        let (executor, mut lifeline) = with_lifeline(&env, script);
        let (backend, worker) = start_worker(executor, options());
        backend.push(claim("lost"));
        lifeline.opened().await;
        backend.revoke("lost");
        lifeline.closed().await;
        within(worker.reached(WorkerState::Idle)).await;
        worker.drain(test_env::TIMEOUT);
        backend
            .wait_for(|call| match call {
                BackendCall::Deregister => Some(()),
                BackendCall::Complete(..) | BackendCall::Fail(..) | BackendCall::Release(..) => {
                    panic!("told: {call:?}")
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
        env.command("while ! [ -e go ]; do sleep 0.01; done"),
        options(),
    );
    backend.push(claim("a"));
    within(worker.reached(WorkerState::Busy)).await;
    worker.drain(test_env::TIMEOUT);
    backend.wait_for(state(WorkerState::Draining)).await;
    backend.push(claim("b"));
    std::fs::write(env.root().join("go"), "").unwrap();
    assert_eq!(backend.wait_for(completed).await.0, "a");
    within(worker.stopped()).await;
    assert_eq!(backend.waiting(), 1);
}

#[tokio::test]
async fn what_a_drain_cannot_wait_for_is_killed_and_given_back() {
    let env = TestEnv::new();
    let (executor, mut lifeline) = with_lifeline(&env, "echo half; sleep 1000");
    let (backend, worker) = start_worker(executor, options());
    backend.push(claim("t"));
    lifeline.opened().await;
    worker.drain(test_env::TIMEOUT * 10);
    backend.wait_for(state(WorkerState::Draining)).await;
    worker.stop();
    lifeline.closed().await;
    assert_eq!(backend.wait_for(released).await, "t");
    within(worker.stopped()).await;
}

#[tokio::test]
async fn a_task_out_of_time_fails_with_its_last_checkpoint_told() {
    struct Saves;
    impl Executor for Saves {
        fn check_runnable(&self) -> Result<(), String> {
            Ok(())
        }
        fn run<'a>(
            &'a self,
            _: &'a ClaimedTask,
            progress: &'a ProgressHandle,
            _: &'a CancellationToken,
        ) -> BoxFuture<'a, AttemptOutcome> {
            progress.update(ProgressUpdate {
                checkpoint_id: Some("c-1".to_owned()),
                ..ProgressUpdate::default()
            });
            let failure = AttemptFailure {
                error: shim_proto::coordination::v1::TaskError {
                    reason: TIMED_OUT.to_owned(),
                    message: String::new(),
                },
                is_final: false,
                is_crash: false,
            };
            Box::pin(async move { AttemptOutcome::Failed(failure) })
        }
    }
    let (backend, _worker) = start_worker(Arc::new(Saves), options());
    backend.push(claim("t"));
    let mut saved = None;
    backend
        .wait_for(|call| {
            if let BackendCall::Report(_, update) = &call {
                saved = update.checkpoint_id.clone();
            }
            failed(call)
        })
        .await;
    assert_eq!(saved.as_deref(), Some("c-1"));
}

#[tokio::test]
async fn a_dropped_worker_leaves_no_process() {
    let env = TestEnv::new();
    let (executor, mut lifeline) = with_lifeline(&env, "sleep 1000 & sleep 1000");
    let (backend, worker) = start_worker(executor, options());
    backend.push(claim("t"));
    lifeline.opened().await;
    drop(worker);
    lifeline.closed().await;
}
