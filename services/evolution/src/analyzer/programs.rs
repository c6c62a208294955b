//! Native programs of an analysis: each is bounded in time and output, and dies with its call.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use shim_exec::{GroupChild, Groups, Launch, inherited_env};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The most that is read of a program's output.
const MAX_OUTPUT: u64 = 256 << 20;
/// The most that is kept of what it complains.
const MAX_ERRORS: u64 = 64 << 10;
/// Between SIGTERM and SIGKILL: a cancelled call leaves nothing behind after two seconds.
const GRACE: Duration = Duration::from_millis(500);

/// A program, not started yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
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
    #[error("{0} failed: {1}")]
    Failed(String, String),
    #[error("{0} did not end within {1:?}")]
    TimedOut(String, Duration),
    #[error("{0} wrote more than {limit} MiB", limit = MAX_OUTPUT >> 20)]
    TooMuch(String),
    #[error("{0} was ended by signal {1}")]
    Killed(String, i32),
    #[error("the call was cancelled")]
    Cancelled,
}

impl Program {
    /// Runs the program with an input to its end. What it left when somebody killed it is no answer: it is run once more.
    pub(super) async fn run(
        self,
        groups: &Arc<Groups>,
        input: &[u8],
        cancel: &CancellationToken,
    ) -> Result<Finished, ProgramError> {
        match self.start(groups).await?.finish(input, cancel).await {
            Err(ProgramError::Killed(name, signal)) => {
                tracing::warn!(signal, name, "a program was killed; it is run once more");
                self.start(groups).await?.finish(input, cancel).await
            }
            ended => ended,
        }
    }

    /// Starts the program, whose input stays open.
    pub(super) async fn start(&self, groups: &Arc<Groups>) -> Result<Started, ProgramError> {
        let (name, limit) = (shown(&self.file), self.limit);
        let child = GroupChild::spawn(&self.launch(), groups).await;
        let child = child.map_err(|why| ProgramError::Start(name.clone(), why))?;
        Ok(Started { name, limit, child })
    }

    fn launch(&self) -> Launch {
        let own = self.env.iter().cloned();
        Launch {
            file: self.file.clone(),
            args: self.args.clone(),
            folder: self.folder.clone(),
            env: inherited_env(["TMPDIR"]).chain(own).collect(),
            work_id: Uuid::now_v7().to_string(),
        }
    }
}

/// A program that runs. Dropped, it is killed.
pub(super) struct Started {
    name: String,
    limit: Duration,
    child: GroupChild,
}

impl Started {
    /// The process.
    #[cfg(test)]
    pub(super) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Gives the program its input and waits for its end.
    pub(super) async fn finish(
        self,
        input: &[u8],
        cancel: &CancellationToken,
    ) -> Result<Finished, ProgramError> {
        let Self {
            name,
            limit,
            mut child,
        } = self;
        let stdin = child.stdin.take();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let exchange = async {
            let streams = (read(stdout, MAX_OUTPUT), read(stderr, MAX_ERRORS));
            let ((), stdout, stderr) = tokio::join!(write(stdin, input), streams.0, streams.1);
            (child.wait().await, stdout, stderr)
        };
        let ended = tokio::select! {
            ended = exchange => Ok(ended),
            () = cancel.cancelled() => Err(ProgramError::Cancelled),
            () = tokio::time::sleep(limit) => Err(ProgramError::TimedOut(name.clone(), limit)),
        };
        if ended.is_err() {
            let _ = child.terminate(GRACE).await;
        }
        let (status, stdout, stderr) = ended?;
        if stdout.len() as u64 == MAX_OUTPUT {
            return Err(ProgramError::TooMuch(name));
        }
        let status = status.map_err(|why| ProgramError::Start(name.clone(), why))?;
        if let Some(signal) = status.signal() {
            return Err(ProgramError::Killed(name, signal));
        }
        Ok(Finished {
            status,
            stdout,
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    }
}

/// Writes all of it and closes the pipe. A program that does not read to the end says by its own end why.
async fn write(pipe: Option<impl AsyncWrite + Unpin>, input: &[u8]) {
    if let Some(mut pipe) = pipe {
        let _ = pipe.write_all(input).await;
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

fn shown(file: &Path) -> String {
    file.file_name()
        .unwrap_or(file.as_os_str())
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn run(folder: &Path, script: &str) -> Result<Finished, ProgramError> {
        let groups = Groups::open(&folder.join("groups"), "SHIM_TESTS").unwrap();
        let program = Program {
            file: "/bin/sh".into(),
            args: vec!["-c".to_owned(), script.to_owned()],
            folder: folder.to_path_buf(),
            env: Vec::new(),
            limit: Duration::from_secs(60),
        };
        program
            .run(&Arc::new(groups), &[], &CancellationToken::new())
            .await
    }

    #[tokio::test]
    async fn what_a_killed_program_left_is_no_answer() {
        let folder = tempfile::tempdir().unwrap();
        let once = "echo half; mkdir seen && kill -9 $$; echo whole";
        let finished = run(folder.path(), once).await.unwrap();
        assert_eq!(finished.stdout, b"half\nwhole\n");
        let killed = run(folder.path(), "echo half; kill -9 $$").await;
        let told = killed.err().map(|why| why.to_string());
        assert_eq!(told.as_deref(), Some("sh was ended by signal 9"));
    }
}
