//! Folders and limits of its own for each story.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use shim_checks::TIMEOUT;
use shim_exec::{
    Artifacts, Groups, Keeping, Launch, Output, Run, RunEvent, RunLimits, RunOutput, find_program,
    inherited_env,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Names a program's work to it.
pub(crate) const WORK: &str = "SHIM_TASK_ID";

pub(crate) struct TestEnv {
    pub(crate) groups: Arc<Groups>,
    pub(crate) limits: RunLimits,
    pub(crate) stop: CancellationToken,
    folder: TempDir,
}

impl TestEnv {
    pub(crate) fn new() -> Self {
        Self::with(|groups| groups)
    }

    pub(crate) fn with(change: impl FnOnce(Groups) -> Groups) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let groups = Groups::open(&folder.path().join("groups"), WORK).unwrap();
        Self {
            groups: Arc::new(change(groups)),
            limits: RunLimits {
                timeout: TIMEOUT * 2,
                grace: Duration::from_secs(10),
            },
            stop: CancellationToken::new(),
            folder,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A script that gets the path of a lifeline in `$1`, and works in this environment's folder.
    pub(crate) fn script(&self, script: &str) -> Launch {
        shell(script, &self.path("lifeline"), self.folder.path())
    }

    fn output(&self, stream: &str) -> Output {
        let keeping = Keeping {
            time: TIMEOUT,
            bytes: 1 << 30,
        };
        let artifacts = Artifacts::open(&self.path("artifacts"), keeping).unwrap();
        let path = artifacts.path("work-1", 1, stream);
        Output::new(Arc::new(artifacts), path, 1_024)
    }

    pub(crate) async fn run(&self, script: &str, input: &str) -> RunOutput {
        self.run_with(script, input, |_| {}, |_| false).await
    }

    pub(crate) async fn run_with(
        &self,
        script: &str,
        input: &str,
        on_event: impl Fn(RunEvent),
        on_line: impl FnMut(&[u8]) -> bool,
    ) -> RunOutput {
        let run = Run {
            launch: self.script(script),
            input: input.as_bytes().to_vec(),
            limits: self.limits,
            stop: &self.stop,
            stdout: self.output("stdout"),
            stderr: self.output("stderr"),
        };
        run.execute(&self.groups, on_event, on_line).await.unwrap()
    }
}

pub(crate) fn shell(script: &str, argument: &Path, folder: &Path) -> Launch {
    let argument = argument.to_str().unwrap();
    Launch {
        file: find_program(Path::new("sh")).unwrap(),
        args: ["-c", script, "sh", argument].map(str::to_owned).to_vec(),
        folder: folder.to_path_buf(),
        env: inherited_env([]).collect(),
        work_id: "work-1".to_owned(),
    }
}
