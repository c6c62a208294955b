//! A folder, workers and tasks of its own for each story.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shim_checks::{Lifeline, TIMEOUT};
use shim_exec::{Artifacts, Groups, Keeping};
use shim_proto::coordination::v1::{Task, TaskResult, WorkerState};
use shim_proto::fitness::HoldCause;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::ids::{LeaseToken, TaskId};
use shim_runtime::lifecycle::Shutdown;
use shim_work::{AttemptFailure, ClaimRef, ClaimedTask, Executor, WorkerHandle, WorkerOptions};
use tempfile::TempDir;

use crate::executors::ShellExecutor;
use crate::memory_task_backend::{BackendCall, MemoryTaskBackend};

static LEASES: AtomicU64 = AtomicU64::new(1);

pub(crate) struct TestEnv {
    folder: TempDir,
}

impl TestEnv {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn script(&self, script: &str) -> Arc<dyn Executor> {
        self.program("sh".into(), script)
    }

    pub(crate) fn program(&self, program: PathBuf, script: &str) -> Arc<dyn Executor> {
        let groups = Groups::open(&self.path("groups"), "SHIM_TASK_ID").unwrap();
        let keeping = Keeping {
            time: TIMEOUT,
            bytes: 1 << 30,
        };
        let artifacts = Artifacts::open(&self.path("artifacts"), keeping).unwrap();
        Arc::new(ShellExecutor {
            groups: Arc::new(groups),
            artifacts: Arc::new(artifacts),
            folder: self.folder.path().to_path_buf(),
            program,
            script: script.to_owned(),
        })
    }

    /// A script that holds a lifeline, and the lifeline.
    pub(crate) fn with_lifeline(&self, script: &str) -> (Arc<dyn Executor>, Lifeline) {
        let lifeline = Lifeline::at(&self.path("lifeline"));
        (
            self.script(&format!("{} {script}", Lifeline::HOLD)),
            lifeline,
        )
    }
}

/// A claimed task whose goal names it in the story.
pub(crate) fn claim(goal: &str) -> ClaimedTask {
    let claim_ref = ClaimRef {
        task_id: TaskId::new(),
        lease: LeaseToken(LEASES.fetch_add(1, Ordering::SeqCst)),
    };
    ClaimedTask {
        claim_ref,
        task: Task {
            task_id: claim_ref.task_id.into(),
            goal: goal.to_owned(),
            ..Task::default()
        },
        resume: None,
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

/// A worker with a backend of its own.
pub(crate) fn start_worker(
    executor: Arc<dyn Executor>,
    options: WorkerOptions,
) -> (Arc<MemoryTaskBackend>, WorkerHandle) {
    let backend = Arc::new(MemoryTaskBackend::new());
    let background = BackgroundTasks::new("story", &Shutdown::new());
    let worker = WorkerHandle::start(Arc::clone(&backend), executor, options, &background);
    (backend, worker)
}

pub(crate) fn completed(call: BackendCall) -> Option<(String, TaskResult)> {
    match call {
        BackendCall::Complete(goal, result, _) => Some((goal, result)),
        _ => None,
    }
}

pub(crate) fn failed(call: BackendCall) -> Option<(String, AttemptFailure)> {
    match call {
        BackendCall::Fail(goal, failure, _) => Some((goal, failure)),
        _ => None,
    }
}

pub(crate) fn released(call: BackendCall) -> Option<String> {
    match call {
        BackendCall::Release(goal) => Some(goal),
        _ => None,
    }
}

/// A task that was given back because its worker can do none.
pub(crate) fn held(call: BackendCall) -> Option<(String, HoldCause)> {
    match call {
        BackendCall::Hold(goal, cause) => Some((goal, cause)),
        _ => None,
    }
}

pub(crate) fn state(wanted: WorkerState) -> impl FnMut(BackendCall) -> Option<()> {
    move |call| {
        matches!(call, BackendCall::Heartbeat(heartbeat) if heartbeat.state == wanted).then_some(())
    }
}
