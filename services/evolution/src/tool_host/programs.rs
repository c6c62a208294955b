//! Short programs beside the host: `node --version`, npm.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shim_exec::{Artifacts, Groups, Keeping, Launch};
use tokio_util::sync::CancellationToken;

use crate::programs::{Bounds, Finished, run_to_end};

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
        let bounds = Bounds {
            timeout,
            grace: GRACE,
            output: MAX_OUTPUT,
        };
        run_to_end(launch, bounds, &self.groups, &self.artifacts, stop).await
    }
}
