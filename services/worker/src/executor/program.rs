//! One configured program: where it is found, where it works, which variables it gets, and one run of it for a task.

use std::path::PathBuf;
use std::time::Duration;

use shim_exec::{Launch, Output, Run, RunEvent, RunLimits, RunOutput, find_program, inherited_env};
use shim_proto::coordination::v1::Task;
use shim_proto::limits::task::MAX_ERROR_BYTES;
use shim_work::{AttemptFailure, ClaimedTask, ProgressHandle};
use tokio_util::sync::CancellationToken;

use super::context::ExecutorContext;
use super::run_error::RunError;
use super::working_dir;
use crate::config::ExecutorConfig;

/// Bytes of stderr in memory: half of what an error's message holds on the wire.
const STDERR_BYTES: usize = MAX_ERROR_BYTES / 2;

/// A configured program.
pub(super) struct Program {
    pub(super) config: ExecutorConfig,
    pub(super) context: ExecutorContext,
    /// Variables that the program gets unless the configuration passes on its own.
    pub(super) variables: Vec<(&'static str, &'static str)>,
}

/// A run of a program for a claimed task.
#[derive(Clone, Copy)]
pub(super) struct ProgramRun<'a> {
    pub(super) program: &'a Program,
    pub(super) claim: &'a ClaimedTask,
    pub(super) progress: &'a ProgressHandle,
    pub(super) stop: &'a CancellationToken,
}

impl Program {
    pub(super) fn new(config: ExecutorConfig, context: ExecutorContext) -> Self {
        Self {
            config,
            context,
            variables: Vec::new(),
        }
    }

    /// The file to execute, or what is wrong with it.
    pub(super) fn find(&self) -> Result<PathBuf, String> {
        find_program(&self.config.program)
    }

    /// Bytes of a result's text.
    pub(super) fn max_output(&self) -> usize {
        self.context.max_output
    }

    /// The folder in which it works at a task.
    pub(super) fn folder(&self, task: &Task) -> Result<PathBuf, AttemptFailure> {
        let configured = self.config.working_dir.as_deref();
        working_dir::choose(&self.context.roots, configured, task)
    }

    fn launch(
        &self,
        file: PathBuf,
        args: Vec<String>,
        claim: &ClaimedTask,
    ) -> Result<Launch, AttemptFailure> {
        let task = &claim.task;
        let folder = self.folder(task)?;
        let names = self.config.env.iter().map(String::as_str);
        let mut env: Vec<_> = inherited_env(names).collect();
        for (name, value) in &self.variables {
            if !env.iter().any(|(known, _)| known == name) {
                env.push(((*name).into(), (*value).into()));
            }
        }
        // No variable can hold a NUL.
        let goal = task.goal.replace('\0', " ");
        env.push(("SHIM_TASK_GOAL".into(), goal.into()));
        // The fencing token: a side effect that is guarded by it is safe from a second worker with the same task.
        let lease = claim.claim_ref.lease.to_string();
        env.push(("SHIM_TASK_LEASE".into(), lease.into()));
        Ok(Launch {
            file,
            args,
            folder,
            env,
            work_id: task.task_id.replace('\0', " "),
        })
    }

    /// An attempt's limits: the task's own timeout, or else the configured one.
    pub(super) fn limits(&self, task: &Task) -> RunLimits {
        let timeout = task
            .timeout
            .and_then(|timeout| Duration::try_from(timeout).ok());
        RunLimits {
            timeout: timeout.unwrap_or(self.config.timeout),
            grace: self.context.grace,
        }
    }

    pub(super) fn output(&self, claim: &ClaimedTask, stream: &str, limit: usize) -> Output {
        let artifacts = &self.context.artifacts;
        let path = artifacts.path(&claim.task.task_id, claim.claim_ref.lease.0, stream);
        Output::new(artifacts.clone(), path, limit)
    }
}

impl ProgramRun<'_> {
    /// Runs the program with these arguments and this input. All of its output counts as a sign of life; each line goes to
    /// `on_line`, and when that returns `true`, the program is done and may take a grace to exit.
    pub(super) async fn execute(
        &self,
        args: impl IntoIterator<Item = String>,
        input: Vec<u8>,
        on_line: impl FnMut(&[u8]) -> bool,
    ) -> Result<RunOutput, RunError> {
        let (program, claim) = (self.program, self.claim);
        let file = program.find().map_err(RunError::NotRunnable)?;
        let args = args.into_iter().collect();
        let run = Run {
            launch: program.launch(file.clone(), args, claim)?,
            input,
            limits: program.limits(&claim.task),
            stop: self.stop,
            stdout: program.output(claim, "stdout", program.max_output()),
            stderr: program.output(claim, "stderr", STDERR_BYTES),
        };
        let on_event = |event| match event {
            RunEvent::Started { pid } => self.progress.set_pid(pid),
            RunEvent::Output => self.progress.touch(),
        };
        run.execute(&program.context.groups, on_event, on_line)
            .await
            .map_err(|why| RunError::NotRunnable(format!("{}: {why}", file.display())))
    }
}
