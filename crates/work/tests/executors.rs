//! Executors of these stories: one runs a shell script, one calls a function.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use shim_checks::TIMEOUT;
use shim_exec::{
    Artifacts, ExitCause, Groups, Launch, Output, Run, RunEvent, RunLimits, find_program,
    inherited_env,
};
use shim_proto::coordination::v1::TaskResult;
use shim_proto::reasons::task::EXECUTOR_FAILED;
use shim_work::{
    AttemptFailure, AttemptOutcome, ClaimedTask, Executor, ProgressHandle, ProgressUpdate,
};
use tokio_util::sync::CancellationToken;

/// Runs a script that gets the path of a lifeline in `$1` and the task's goal in `GOAL`. Each of its lines is a note.
pub(crate) struct ShellExecutor {
    pub(crate) groups: Arc<Groups>,
    pub(crate) artifacts: Arc<Artifacts>,
    pub(crate) folder: PathBuf,
    pub(crate) program: PathBuf,
    pub(crate) script: String,
}

impl ShellExecutor {
    fn output(&self, stream: &str) -> Output {
        let path = self.artifacts.path("story", 1, stream);
        Output::new(self.artifacts.clone(), path, 64 * 1024)
    }

    fn launch(&self, file: &Path, claim: &ClaimedTask) -> Launch {
        let lifeline = self.folder.join("lifeline").display().to_string();
        let args = ["-c", &self.script, "sh", &lifeline].map(str::to_owned);
        let goal = ("GOAL".into(), claim.task.goal.clone().into());
        Launch {
            file: file.to_path_buf(),
            args: args.to_vec(),
            folder: self.folder.clone(),
            env: inherited_env([]).chain([goal]).collect(),
            work_id: claim.task.task_id.clone(),
        }
    }

    async fn attempt(
        &self,
        claim: &ClaimedTask,
        progress: &ProgressHandle,
        stop: &CancellationToken,
    ) -> AttemptOutcome {
        let file = match find_program(&self.program) {
            Ok(file) => file,
            Err(why) => return AttemptOutcome::NotRunnable(why),
        };
        let run = Run {
            launch: self.launch(&file, claim),
            input: Vec::new(),
            limits: RunLimits {
                timeout: TIMEOUT * 2,
                grace: TIMEOUT / 2,
            },
            stop,
            stdout: self.output("stdout"),
            stderr: self.output("stderr"),
        };
        let on_event = |event| match event {
            RunEvent::Started { pid } => progress.set_pid(pid),
            RunEvent::Output => progress.touch(),
        };
        let on_line = |line: &[u8]| {
            progress.update(ProgressUpdate {
                note: Some(String::from_utf8_lossy(line).into_owned()),
                ..ProgressUpdate::default()
            });
            false
        };
        let ended = run.execute(&self.groups, on_event, on_line).await;
        let mut ended = ended.unwrap();
        match ended.end {
            ExitCause::Stopped => AttemptOutcome::Stopped,
            ExitCause::Exited(status) if status.success() => done(&ended.stdout.text().0),
            ExitCause::Exited(status) if status.code().is_none() => {
                AttemptOutcome::Failed(AttemptFailure::crash(&status.to_string()))
            }
            end => {
                let message = format!("{end:?}");
                AttemptOutcome::Failed(AttemptFailure::new(EXECUTOR_FAILED, &message))
            }
        }
    }
}

impl Executor for ShellExecutor {
    fn check_runnable(&self) -> Result<(), String> {
        find_program(&self.program).map(drop)
    }

    fn run<'a>(
        &'a self,
        claim: &'a ClaimedTask,
        progress: &'a ProgressHandle,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, AttemptOutcome> {
        Box::pin(self.attempt(claim, progress, stop))
    }
}

/// Answers at once with what a function returns.
pub(crate) struct FnExecutor<F>(pub(crate) F);

impl<F> Executor for FnExecutor<F>
where
    F: Fn(&ClaimedTask, &ProgressHandle) -> AttemptOutcome + Send + Sync,
{
    fn check_runnable(&self) -> Result<(), String> {
        Ok(())
    }

    fn run<'a>(
        &'a self,
        claim: &'a ClaimedTask,
        progress: &'a ProgressHandle,
        _: &'a CancellationToken,
    ) -> BoxFuture<'a, AttemptOutcome> {
        Box::pin(async move { (self.0)(claim, progress) })
    }
}

pub(crate) fn done(text: &str) -> AttemptOutcome {
    AttemptOutcome::Completed(TaskResult {
        text: text.to_owned(),
        ..TaskResult::default()
    })
}
