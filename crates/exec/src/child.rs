//! A child process that leads a process group of its own.
//!
//! The program of a child begins only after its group is guarded, and the whole group is killed when the handle is dropped.
//! Under a [`crate::supervisor`], so is what left the group: the supervisor is then the child, and the program its child.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::groups::{Group, Groups};
use crate::supervisor::{PID_LINE_BYTES, SUPERVISE, read_pid};

/// A program begins when the first line of its input arrives, which is sent once its group is guarded: if this process were
/// killed before, the input would end and the program would not begin. (A shell reads a line from a pipe byte by byte, so the
/// program gets all that follows.)
const GATE: [&str; 4] = ["/bin/sh", "-c", r#"read -r go && exec "$@""#, "sh"];
const GO: &[u8] = b"go\n";
/// A supervisor that is silent for longer is none.
const SUPERVISED_WITHIN: Duration = Duration::from_secs(10);

/// What to start.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    /// The file to execute.
    pub file: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// The folder it works in.
    pub folder: PathBuf,
    /// Its whole environment, but for the variable of [`Groups::open`]; nothing else is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// Names the work the program is started for, without NUL. A later process recognises what is left of the group by it.
    pub work_id: String,
}

/// A running child. Dropped, its whole group is killed.
#[derive(Debug)]
pub struct GroupChild {
    /// Dropped before the child: its kill reaches all members.
    group: Group,
    child: Child,
    pid: u32,
    /// The program's input; `None` once taken.
    pub stdin: Option<ChildStdin>,
    /// The program's output; `None` once taken.
    pub stdout: Option<ChildStdout>,
    /// The program's error output; `None` once taken. Once it is dropped, a supervisor takes its owner for gone, and kills the
    /// program.
    pub stderr: Option<ChildStderr>,
}

impl GroupChild {
    /// Starts a program with pipes to all of its streams.
    ///
    /// # Errors
    /// If the system cannot start it.
    pub async fn spawn(launch: &Launch, groups: &Arc<Groups>) -> std::io::Result<Self> {
        if let Some(supervisor) = groups.supervisor() {
            match Self::spawn_supervised(supervisor, launch, groups).await {
                Ok(child) => return Ok(child),
                Err(why) => {
                    tracing::warn!(%why, supervisor = %supervisor.display(),
                        "a program runs without a supervisor: what leaves its process group outlives it");
                }
            }
        }
        let [shell, gate @ ..] = GATE;
        let mut command = Command::new(shell);
        command.args(gate).kill_on_drop(true);
        let child = start(command, launch, groups)?;
        let pid = child.id().ok_or(std::io::ErrorKind::NotFound)?;
        Self::begin(child, pid, launch, groups).await
    }

    async fn spawn_supervised(
        supervisor: &Path,
        launch: &Launch,
        groups: &Arc<Groups>,
    ) -> std::io::Result<Self> {
        let mut command = Command::new(supervisor);
        // It ends by itself, after it killed what is its to kill.
        command.arg(SUPERVISE).args(GATE).kill_on_drop(false);
        let mut child = start(command, launch, groups)?;
        let pid = timeout(SUPERVISED_WITHIN, program_of(&mut child));
        match pid.await.unwrap_or_else(|late| Err(late.into())) {
            Ok(pid) => Self::begin(child, pid, launch, groups).await,
            Err(why) => {
                // The program's gate closes with its input.
                let _ = child.start_kill();
                Err(why)
            }
        }
    }

    /// Guards the group of a program that waits before its gate, and lets it begin.
    async fn begin(
        mut child: Child,
        pid: u32,
        launch: &Launch,
        groups: &Arc<Groups>,
    ) -> std::io::Result<Self> {
        let group = groups.adopt(pid, &launch.work_id)?;
        let mut stdin = child.stdin.take();
        if let Some(stdin) = &mut stdin {
            // A program that is dead already shows it by its exit status.
            let _ = stdin.write_all(GO).await;
        }
        Ok(Self {
            group,
            pid,
            stdin,
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            child,
        })
    }

    /// The process id of the group's leader.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until the program exits. Members of its group may live on until [`GroupChild::kill`].
    ///
    /// # Errors
    /// If the system cannot wait for it.
    pub async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Asks the group to end (SIGTERM), and kills what is left of it after `grace` or when the program exits.
    ///
    /// # Errors
    /// If the system cannot wait for it.
    pub async fn terminate(&mut self, grace: Duration) -> std::io::Result<ExitStatus> {
        self.group.terminate();
        let _ = timeout(grace, self.child.wait()).await;
        self.kill().await
    }

    /// Kills the whole group (SIGKILL) and waits until the program is gone.
    ///
    /// # Errors
    /// If the system cannot wait for it.
    pub async fn kill(&mut self) -> std::io::Result<ExitStatus> {
        self.group.kill();
        self.child.wait().await
    }
}

/// Starts a program behind its gate.
fn start(mut command: Command, launch: &Launch, groups: &Groups) -> std::io::Result<Child> {
    command
        .arg(&launch.file)
        .args(&launch.args)
        .current_dir(&launch.folder)
        .env_clear()
        .envs(launch.env.iter().map(|(name, value)| (name, value)))
        .env(groups.work_variable(), &launch.work_id)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// The pid of a supervisor's program, which the supervisor tells before the program can write anything.
async fn program_of(supervisor: &mut Child) -> std::io::Result<u32> {
    let mut line = [0; PID_LINE_BYTES];
    let stdout = supervisor.stdout.as_mut();
    let stdout = stdout.ok_or(std::io::ErrorKind::BrokenPipe)?;
    stdout.read_exact(&mut line).await?;
    read_pid(line).ok_or_else(|| std::io::Error::other("it does not tell its program's pid"))
}
