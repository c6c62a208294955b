//! The local stack as seen from outside: its files, whether it runs, and how to start its one instance.
//!
//! The invariant: the process that holds the lock file's flock(2) is the stack. The kernel drops the lock with the process, so
//! a stack that was killed never looks alive, and however many start at once, one gets the lock. What stands in the file is
//! for people: the socket is the folder's, and who serves there the kernel says ([`Peer`]).

mod hold;
mod info;
mod lock_file;
mod peer;
mod start;
mod start_log;

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::Flock;

use crate::data_dir::{self, Sharing, Untrusted};

pub use crate::data_dir::make_private_dir;
pub use info::{StackInfo, Surroundings};
pub use peer::{Peer, lock_holder};
pub use start_log::StartLog;

use start::{Start, StartEnd};

/// A stack that a gateway started stops itself after this time without sessions and calls.
const IDLE_EXIT: &str = "15m";
/// What a client gives each of its children for itself alone. A stack outlives its starter and serves everybody.
const OF_ONE_CLIENT: [&str; 4] = [
    "CLAUDE_CODE_MESSAGING_TOKEN",
    "CLAUDE_CODE_MESSAGING_SOCKET",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_PID",
];
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// How much longer than usual a caller waits for a folder that is held.
const HELD_TIMEOUT: Duration = Duration::from_secs(15);
/// The lock file is filled up to a multiple of this size when the lock is taken. What a stack publishes overwrites the
/// filling, so a disk that became full meanwhile cannot keep a stack from being found.
const LOCK_FILE_BYTES: usize = 16 * 1024;

/// Whether a stack runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StackState {
    /// None does.
    Stopped,
    /// One holds the lock but does not serve yet.
    Starting,
    /// One serves.
    Running(StackInfo),
    /// None may start: the folder is held, for this reason.
    Held(String),
}

/// Why there is no stack.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// Another stack holds the lock.
    #[error("a stack runs already in this data folder; see `shim status`")]
    AlreadyRunning,
    /// The folder is held.
    #[error("no stack may start now: {0}")]
    Held(String),
    /// Somebody else has a hand in the data folder.
    #[error("the data folder is not safe to use: {0}")]
    Untrusted(#[from] Untrusted),
    /// The data folder cannot be used.
    #[error("the data folder {0} cannot be used: {1}")]
    DataDir(PathBuf, std::io::Error),
    /// The stack's program could not be started.
    #[error("cannot start the local stack with {0}: {1}")]
    Spawn(PathBuf, std::io::Error),
    /// Its program ended before it served, for this reason; its log is the file.
    #[error("the stack ended at once: {0}")]
    Failed(String, PathBuf),
    /// It did not become ready.
    #[error("the local stack was not ready after {0:?}; its log is {1}")]
    NotReady(Duration, PathBuf),
}

/// The stack of one data folder.
#[derive(Debug, Clone)]
pub struct Stack {
    data_dir: PathBuf,
    /// The configuration file a stack is started with, beside its own environment.
    config_file: Option<PathBuf>,
    sharing: Sharing,
}

impl Stack {
    /// The stack of `data_dir`; nothing is touched yet.
    #[must_use]
    pub fn at(data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.to_path_buf(),
            config_file: None,
            sharing: Sharing::Private,
        }
    }

    /// The same stack, in a folder in which others may have a hand.
    #[must_use]
    pub fn in_folder(self, sharing: Sharing) -> Self {
        Self { sharing, ..self }
    }

    /// The same stack, started with this configuration file if it has to be started.
    #[must_use]
    pub fn with_config_file(self, config_file: Option<PathBuf>) -> Self {
        Self {
            config_file,
            ..self
        }
    }

    /// Its Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.data_dir.join("shim.sock")
    }

    /// Its lock file, which also holds its [`StackInfo`].
    #[must_use]
    pub fn lock_path(&self) -> PathBuf {
        self.data_dir.join("stack.lock")
    }

    /// Its log when it runs detached.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.data_dir.join("shim.log")
    }

    /// Opens the log of a stack that runs detached, for more at its end.
    ///
    /// # Errors
    /// If it cannot be made or opened, or is not this user's own.
    pub fn open_log(&self) -> std::io::Result<File> {
        start_log::open(&self.log_path())
    }

    /// The log from here on, for a start that is about to be made.
    #[must_use]
    pub fn log_from_here(&self) -> StartLog {
        StartLog::from_here(self.log_path())
    }

    /// Whether it runs. A folder in which somebody else has a hand is held, whatever stands in it.
    #[must_use]
    pub fn state(&self) -> StackState {
        if let Err(why) = data_dir::admit(&self.data_dir, self.sharing) {
            return StackState::Held(why.to_string());
        }
        let state = self.lock_state();
        match state {
            StackState::Running(_) => state,
            _ => hold::reason(&self.data_dir).map_or(state, StackState::Held),
        }
    }

    /// What the lock file says.
    fn lock_state(&self) -> StackState {
        let Some(text) = lock_file::read_if_taken(&self.lock_path()) else {
            return StackState::Stopped;
        };
        match serde_json::from_str::<StackInfo>(&text) {
            // Wherever the file says: a token is shown there.
            Ok(info) => StackState::Running(StackInfo {
                socket: self.socket(),
                ..info
            }),
            Err(_) => StackState::Starting,
        }
    }

    /// Makes the data folder (mode 0700) and takes the lock.
    ///
    /// # Errors
    /// [`StackError::AlreadyRunning`] if another process has it, [`StackError::Held`] if no stack may start now.
    pub fn acquire(&self) -> Result<StackLock, StackError> {
        let lock = self.lock()?;
        match hold::reason(&self.data_dir) {
            None => Ok(lock),
            Some(why) => Err(StackError::Held(why)),
        }
    }

    fn lock(&self) -> Result<StackLock, StackError> {
        self.prepare_folder()?;
        let fail = |e| StackError::DataDir(self.data_dir.clone(), e);
        let lock = lock_file::take(&self.lock_path()).map_err(fail)?;
        let mut lock = StackLock(lock.ok_or(StackError::AlreadyRunning)?);
        lock.overwrite(&[]).map_err(fail)?;
        Ok(lock)
    }

    /// Makes the data folder where it is missing.
    ///
    /// # Errors
    /// If it cannot be made, or somebody else has a hand in it.
    pub fn prepare_folder(&self) -> Result<(), StackError> {
        data_dir::admit(&self.data_dir, self.sharing)?;
        data_dir::make_private_dir(&self.data_dir)
            .map_err(|e| StackError::DataDir(self.data_dir.clone(), e))?;
        // Somebody else may have made it meanwhile.
        data_dir::admit(&self.data_dir, self.sharing)?;
        // Before a Redis or a worker believes what lies there.
        data_dir::admit_contents(&self.data_dir, self.sharing)?;
        Ok(())
    }

    /// Returns the running stack, starting it with `exe` if there is none. Any number of callers end up on one stack. A
    /// folder that is held is waited for, 15 s at most.
    ///
    /// # Errors
    /// If it cannot be started, does not serve within `wait`, or the folder is held for longer.
    pub async fn ensure_running(
        &self,
        exe: &Path,
        wait: Duration,
    ) -> Result<StackInfo, StackError> {
        let mut deadline = Instant::now() + wait;
        let held_until = Instant::now() + HELD_TIMEOUT;
        let mut start: Option<Start> = None;
        loop {
            data_dir::admit(&self.data_dir, self.sharing)?;
            // Before the state: a program that ended has left its lock.
            let ended = start.as_ref().and_then(Start::end);
            match self.state() {
                StackState::Running(info) => return Ok(info),
                StackState::Held(why) if Instant::now() >= held_until => {
                    return Err(StackError::Held(why));
                }
                // What was started before the hold has left; the start comes after the hold.
                StackState::Held(_) => (start, deadline) = (None, Instant::now() + wait),
                StackState::Stopped => start = Some(self.next_start(exe, start, ended)?),
                // It gave way to the one that starts.
                StackState::Starting if ended.is_some() => start = None,
                StackState::Starting => {}
            }
            if Instant::now() >= deadline {
                return Err(StackError::NotReady(wait, self.log_path()));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Starts a stack with `exe` in the background if none runs, and waits for nothing.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start_unwaited(&self, exe: &Path) -> Result<(), StackError> {
        match self.state() {
            StackState::Stopped => self.spawn(exe).map(drop),
            StackState::Starting | StackState::Running(_) | StackState::Held(_) => Ok(()),
        }
    }

    /// The start to wait for while no stack runs: another one where the last gave way to a stack that is gone.
    fn next_start(
        &self,
        exe: &Path,
        start: Option<Start>,
        ended: Option<StartEnd>,
    ) -> Result<Start, StackError> {
        match (start, ended) {
            (_, Some(StartEnd::Failed(why))) => Err(StackError::Failed(why, self.log_path())),
            (Some(start), None) => Ok(start),
            (None, _) | (_, Some(StartEnd::GaveWay)) => self.spawn(exe),
        }
    }

    /// Starts a detached stack. Losing the race for the lock is fine: the child leaves and the winner serves.
    fn spawn(&self, exe: &Path) -> Result<Start, StackError> {
        self.prepare_folder()?;
        let log = self.open_log();
        let config = self
            .config_file
            .iter()
            .flat_map(|file| ["--config".as_ref(), file.as_os_str()]);
        let mut command = Command::new(exe);
        command
            .args(config)
            .arg("--data-dir")
            .arg(&self.data_dir)
            .args(["up", "--detached", "--idle-exit", IDLE_EXIT])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.map_or_else(|_| Stdio::null(), Stdio::from));
        for variable in OF_ONE_CLIENT {
            command.env_remove(variable);
        }
        Start::of(command, self.log_from_here())
            .map_err(|e| StackError::Spawn(exe.to_path_buf(), e))
    }
}

/// The exclusive use of a data folder: while someone has it no stack starts there, and gateways wait. Dropping it lets stacks
/// start again.
#[derive(Debug)]
pub struct Hold {
    stack: Stack,
    _lock: hold::HoldLock,
}

impl Hold {
    /// Takes the hold; `why` is what others are told, such as "a backup is being restored". It does not stop a stack that
    /// runs.
    ///
    /// # Errors
    /// [`StackError::Held`] if another process has it; the folder cannot be used.
    pub fn take(stack: &Stack, why: &str) -> Result<Self, StackError> {
        stack.prepare_folder()?;
        let fail = |e| StackError::DataDir(stack.data_dir.clone(), e);
        let lock = hold::take(&stack.data_dir, why).map_err(fail)?;
        Ok(Self {
            stack: stack.clone(),
            _lock: lock.map_err(StackError::Held)?,
        })
    }

    /// Takes the stack's lock under this hold, once no stack has it.
    ///
    /// # Errors
    /// [`StackError::AlreadyRunning`] if a stack has it.
    pub fn lock_stack(&self) -> Result<StackLock, StackError> {
        self.stack.lock()
    }
}

/// The lock of the stack; its holder is the stack.
#[derive(Debug)]
pub struct StackLock(Flock<File>);

impl StackLock {
    /// Publishes that the stack serves.
    ///
    /// # Errors
    /// If the lock file cannot be written.
    pub fn publish(&mut self, info: &StackInfo) -> std::io::Result<()> {
        self.overwrite(&serde_json::to_vec(info)?)
    }

    /// Writes in place: the file keeps the room that it has.
    fn overwrite(&mut self, text: &[u8]) -> std::io::Result<()> {
        let size = text
            .len()
            .next_multiple_of(LOCK_FILE_BYTES)
            .max(LOCK_FILE_BYTES);
        let mut filled = text.to_vec();
        filled.resize(size, b' ');
        self.0.rewind()?;
        self.0.write_all(&filled)?;
        // A longer one of before ends here.
        self.0.set_len(size as u64)
    }
}

#[cfg(test)]
mod tests;
