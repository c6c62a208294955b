//! Native programs of an analysis: each is bounded in time and output, and dies with its call.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use shim_exec::{GroupChild, Groups, Launch, inherited_env};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::programs::crash;

/// The most that is read of a program's output.
const MAX_OUTPUT: u64 = 256 << 20;
/// The most that is kept of what it complains.
const MAX_ERRORS: u64 = 64 << 10;
/// Between SIGTERM and SIGKILL: a cancelled call leaves nothing behind after two seconds.
const GRACE: Duration = Duration::from_millis(500);

/// A program, not started yet.
pub(super) struct Program {
    /// What people call it.
    pub(super) name: &'static str,
    /// The file to execute.
    pub(super) file: PathBuf,
    /// Its arguments.
    pub(super) args: Vec<String>,
    /// The folder it works in.
    pub(super) folder: PathBuf,
    /// Variables beside the usual ones.
    pub(super) env: Vec<(OsString, OsString)>,
    /// How long it may take.
    pub(super) limit: Duration,
}

/// What a program left.
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
}

/// Why a program left nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    #[error("{0} cannot be started: {1}")]
    Start(String, std::io::Error),
    #[error("{0} did not finish: {1}")]
    Crashed(String, String),
    #[error("{0} failed: {1}")]
    Failed(String, String),
    #[error("{0} did not end within {1:?}")]
    TimedOut(String, Duration),
    #[error("{0} wrote more than {limit} MiB", limit = MAX_OUTPUT >> 20)]
    TooMuch(String),
    #[error("the call was cancelled")]
    Cancelled,
}

impl Program {
    /// Runs the program to its end.
    pub(super) async fn run(
        self,
        groups: &Arc<Groups>,
        cancel: &CancellationToken,
    ) -> Result<Finished, ProgramError> {
        let name = self.name.to_owned();
        let limit = self.limit;
        let failed = |why| ProgramError::Start(name.clone(), why);
        let launch = self.launch();
        let mut child = GroupChild::spawn(&launch, groups).await.map_err(failed)?;
        drop(child.stdin.take());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let exchange = async {
            let (stdout, stderr) = tokio::join!(read(stdout, MAX_OUTPUT), read(stderr, MAX_ERRORS));
            (child.wait().await, stdout, stderr)
        };
        let ended = tokio::select! {
            ended = exchange => Ok(ended),
            () = cancel.cancelled() => Err(ProgramError::Cancelled),
            () = tokio::time::sleep(limit) => Err(ProgramError::TimedOut(name.clone(), limit)),
        };
        let (status, stdout, stderr) = match ended {
            Ok(ended) => ended,
            Err(why) => {
                let _ = child.terminate(GRACE).await;
                return Err(why);
            }
        };
        if stdout.len() as u64 == MAX_OUTPUT {
            return Err(ProgramError::TooMuch(name));
        }
        let status = status.map_err(failed)?;
        if let Some(how) = crash(status) {
            return Err(ProgramError::Crashed(name, how));
        }
        Ok(Finished {
            status,
            stdout,
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    }

    fn launch(self) -> Launch {
        Launch {
            file: self.file,
            args: self.args,
            folder: self.folder,
            env: inherited_env(["TMPDIR"]).chain(self.env).collect(),
            work_id: Uuid::now_v7().to_string(),
        }
    }
}

/// Reads up to `limit` bytes and drops the rest, so that the program does not wait for a reader.
async fn read(pipe: Option<impl AsyncRead + Unpin>, limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        // A pipe that cannot be read is at its end as well.
        let _ = (&mut pipe).take(limit).read_to_end(&mut bytes).await;
        let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    }
    bytes
}
