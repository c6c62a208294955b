//! A throw-away home for one test: a data folder, a project folder, and the end of a stack that was started in it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use shim_runtime::stack::{Stack, StackState};
use tempfile::TempDir;

use crate::process;

const STOP_TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The home. Dropping it stops its stack and removes it.
#[derive(Debug)]
pub struct TempEnv {
    root: TempDir,
}

impl Default for TempEnv {
    fn default() -> Self {
        Self::new()
    }
}

impl TempEnv {
    /// A new, empty home.
    ///
    /// # Panics
    /// If the temporary folder cannot be written.
    #[must_use]
    pub fn new() -> Self {
        let root = tempfile::Builder::new()
            .prefix("shim-")
            .tempdir()
            .expect("the temporary folder is writable");
        std::fs::create_dir(root.path().join("project")).expect("a new folder is empty");
        Self { root }
    }

    /// The folder that holds all of it.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Where the services keep their data; made by them.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.root().join("data")
    }

    /// The project a client works on; there already.
    #[must_use]
    pub fn project(&self) -> PathBuf {
        self.root().join("project")
    }

    /// A configuration of the worker service: it starts one worker, `name`, whose program is a script of the shell in
    /// the project.
    ///
    /// # Panics
    /// If it cannot be written.
    #[must_use]
    pub fn one_program(&self, name: &str, script: &str) -> PathBuf {
        let file = self.root().join("worker.toml");
        let settings = format!(
            "[worker]
             roots = ['{project}']
             start = ['{name}']
             [worker.executors.{name}]
             kind = 'command'
             program = 'sh'
             args = ['-c', '{script}']
             working_dir = '{project}'",
            project = self.project().display(),
        );
        std::fs::write(&file, settings).expect("the home is writable");
        file
    }

    /// The local stack of the data folder.
    #[must_use]
    pub fn stack(&self) -> Stack {
        Stack::at(&self.data_dir())
    }

    /// Stops the local stack if one runs: politely, then not.
    pub fn stop_stack(&self) {
        let deadline = Instant::now() + STOP_TIMEOUT;
        while let state @ (StackState::Running(_) | StackState::Starting) = self.stack().state() {
            let how = if Instant::now() < deadline {
                Signal::SIGTERM
            } else {
                Signal::SIGKILL
            };
            if let StackState::Running(info) = state {
                process::signal(info.pid, how);
            } else if how == Signal::SIGKILL {
                return;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Drop for TempEnv {
    fn drop(&mut self) {
        self.stop_stack();
    }
}
