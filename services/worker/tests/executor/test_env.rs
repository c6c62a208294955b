//! A folder, configuration and executors of its own for each story, and tasks for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use shim_checks::{TIMEOUT, within};
use shim_proto::coordination::v1::Task;
use shim_runtime::config::Settings;
use shim_runtime::free_form;
use shim_runtime::ids::{LeaseToken, TaskId};
use shim_work::{AttemptOutcome, ClaimRef, ClaimedTask, Executor, ProgressHandle};
use shim_worker::executor::ExecutorContext;
use shim_worker::{Config, ExecutorConfig, ExecutorKind};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub(crate) struct TestEnv {
    pub(crate) config: Config,
    pub(crate) executor_context: ExecutorContext,
    folder: TempDir,
}

impl TestEnv {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("work");
        std::fs::create_dir(&root).unwrap();
        let mut config = config(folder.path(), &root);
        change(&mut config);
        Self {
            executor_context: ExecutorContext::open(&config).unwrap(),
            config,
            folder,
        }
    }

    /// The folder that programs work in.
    pub(crate) fn root(&self) -> PathBuf {
        self.config.roots[0].clone()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An executor that runs this script; its arguments begin with `$1`.
    pub(crate) fn script(&self, kind: ExecutorKind, script: &str) -> Arc<dyn Executor> {
        self.executor(kind, script, |_| {})
    }

    pub(crate) fn command(&self, script: &str) -> Arc<dyn Executor> {
        self.script(ExecutorKind::Command, script)
    }

    pub(crate) fn executor(
        &self,
        kind: ExecutorKind,
        script: &str,
        change: impl FnOnce(&mut ExecutorConfig),
    ) -> Arc<dyn Executor> {
        let mut config = shell(kind, script);
        change(&mut config);
        self.executor_context.executor(&config)
    }
}

/// The settings of a worker with its data in `folder`.
pub(crate) fn config(folder: &Path, root: &Path) -> Config {
    let flags = [
        ("data_dir", folder.to_str().unwrap()),
        ("worker.roots", root.to_str().unwrap()),
        ("worker.grace", "10s"),
    ];
    let flags = flags.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut settings = Settings::gather(None, [], flags).unwrap();
    let config = Config::read(&mut settings);
    settings.finish().unwrap();
    config
}

pub(crate) fn shell(kind: ExecutorKind, script: &str) -> ExecutorConfig {
    ExecutorConfig {
        name: "shell".to_owned(),
        kind,
        program: "sh".into(),
        args: ["-c", script, "sh"].map(str::to_owned).to_vec(),
        allow_args: false,
        capabilities: Vec::new(),
        capacity: 1,
        working_dir: None,
        timeout: TIMEOUT * 2,
        env: Vec::new(),
        fail_on_denial: false,
        resume: true,
    }
}

pub(crate) fn claim(task_id: &str) -> ClaimedTask {
    ClaimedTask {
        task: Task {
            task_id: task_id.to_owned(),
            goal: "Count the lines".to_owned(),
            ..Task::default()
        },
        claim_ref: ClaimRef {
            task_id: TaskId::new(),
            lease: LeaseToken(7),
        },
        resume: None,
    }
}

/// A task whose payload is this object.
pub(crate) fn claim_with(payload: &Value) -> ClaimedTask {
    let mut claim = claim("task-1");
    claim.task.payload = free_form::from_json(payload.as_object().unwrap());
    claim
}

/// Runs to the end without being stopped.
pub(crate) async fn run(executor: &dyn Executor, claim: &ClaimedTask) -> AttemptOutcome {
    run_with(executor, claim, &ProgressHandle::default()).await
}

pub(crate) async fn run_with(
    executor: &dyn Executor,
    claim: &ClaimedTask,
    progress: &ProgressHandle,
) -> AttemptOutcome {
    within(executor.run(claim, progress, &CancellationToken::new())).await
}

/// A span on the wire.
pub(crate) fn span(millis: u64) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(Duration::from_millis(millis)).ok()
}
