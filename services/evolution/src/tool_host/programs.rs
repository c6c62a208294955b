//! Short programs beside the host: `node --version`, npm.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shim_exec::{Artifacts, ExitCause, Groups, Keeping, Launch, Output, Run, RunLimits};
use tokio_util::sync::CancellationToken;

/// Bytes kept of each stream.
const MAX_OUTPUT: usize = 64 * 1024;
/// Between SIGTERM and SIGKILL: a cancelled call leaves nothing behind after two seconds.
const GRACE: Duration = Duration::from_secs(1);
/// How long files with longer output are kept, and how many bytes of them.
const KEEP_OUTPUT: Keeping = Keeping {
    time: Duration::from_secs(24 * 3_600),
    bytes: 256 << 20,
};

/// Runs programs to their end.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    groups: Arc<Groups>,
    artifacts: Arc<Artifacts>,
}

/// What a program left.
pub(super) struct Finished {
    pub(super) end: ExitCause,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Finished {
    /// Whether it exited with 0.
    pub(super) fn is_success(&self) -> bool {
        matches!(self.end, ExitCause::Exited(status) if status.success())
    }
}

impl Programs {
    /// Longer output goes to files in `folder`, which is made if it is missing.
    pub(super) fn open(groups: Arc<Groups>, folder: &Path) -> std::io::Result<Self> {
        let artifacts = Arc::new(Artifacts::open(folder, KEEP_OUTPUT)?);
        Ok(Self { groups, artifacts })
    }

    pub(super) fn groups(&self) -> &Arc<Groups> {
        &self.groups
    }

    /// Runs a program until it ends, its time is up or `stop` is set. Dropped, it leaves no process behind.
    pub(super) async fn run(
        &self,
        launch: Launch,
        timeout: Duration,
        stop: &CancellationToken,
    ) -> std::io::Result<Finished> {
        let output = |stream| {
            let path = self.artifacts.path(&launch.work_id, 1, stream);
            Output::new(Arc::clone(&self.artifacts), path, MAX_OUTPUT)
        };
        let (stdout, stderr) = (output("stdout"), output("stderr"));
        let run = Run {
            launch,
            input: Vec::new(),
            limits: RunLimits {
                timeout,
                grace: GRACE,
            },
            stop,
            stdout,
            stderr,
        };
        let mut ended = run.execute(&self.groups, |_| {}, |_| false).await?;
        Ok(Finished {
            end: ended.end,
            stdout: ended.stdout.text().0,
            stderr: ended.stderr.text().0,
        })
    }
}
