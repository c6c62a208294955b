//! One configured program and what every run of it has in common: where it is found, where it works, which variables it
//! gets and how its output is kept.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{AccessFlags, access};
use shim_proto::coordination::v1::Task;
use tokio::process::Command;

use super::groups::Group;
use super::orphans::TASK_ID;
use super::output::Output;
use super::{AttemptFailure, ClaimedTask, ExecutorContext, working_dir};
use crate::config::ExecutorConfig;

/// All that a program sees of this process's environment, beside what is configured.
const INHERITED: [&str; 4] = ["PATH", "HOME", "LANG", "TERM"];
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A program begins when the first line of its input came, which is sent when its group is kept: were this process killed
/// before, the input would end and nothing would have begun. (A shell reads a line from a pipe byte by byte, so the
/// program gets all that follows.)
const GATE: [&str; 4] = ["/bin/sh", "-c", r#"read -r go && exec "$@""#, "sh"];
pub(super) const GO: &[u8] = b"go\n";

/// Of stderr only as much is kept as an error's message holds.
const STDERR_BYTES: usize = super::MAX_MESSAGE_BYTES / 2;

/// A configured program.
pub(super) struct Program {
    pub(super) config: ExecutorConfig,
    executor_context: ExecutorContext,
}

impl Program {
    pub(super) fn new(config: ExecutorConfig, executor_context: ExecutorContext) -> Self {
        Self {
            config,
            executor_context,
        }
    }

    /// The file to execute, or what is wrong with it.
    pub(super) fn find(&self) -> Result<PathBuf, String> {
        find_program(&self.config.program)
    }

    /// The command for a task, without arguments. It waits for [`GO`].
    pub(super) fn command(
        &self,
        file: &Path,
        claim: &ClaimedTask,
    ) -> Result<Command, AttemptFailure> {
        let ExecutorContext { roots, .. } = &self.executor_context;
        let task = &claim.task;
        let folder = working_dir::choose(roots, self.config.working_dir.as_deref(), task)?;
        let [shell, gate @ ..] = GATE;
        let mut command = Command::new(shell);
        command.args(gate).arg(file);
        command.env_clear().current_dir(folder);
        let names = INHERITED
            .into_iter()
            .chain(self.config.env.iter().map(String::as_str));
        command.envs(names.filter_map(|name| Some((name, inherited(name)?))));
        // No variable can hold a NUL.
        command.env(TASK_ID, task.task_id.replace('\0', " "));
        command.env("SHIM_TASK_GOAL", task.goal.replace('\0', " "));
        // The fencing token: whoever guards a side effect with it is safe from a second worker with the same task.
        command.env("SHIM_TASK_LEASE", claim.lease.to_string());
        Ok(command)
    }

    /// How long an attempt at the task may take.
    pub(super) fn timeout(&self, task: &Task) -> Duration {
        task.timeout
            .and_then(|timeout| Duration::try_from(timeout).ok())
            .unwrap_or(self.config.timeout)
    }

    /// How long it may take to end when it is asked to.
    pub(super) fn grace(&self) -> Duration {
        self.executor_context.grace
    }

    /// How much text a result has at most.
    pub(super) fn max_output(&self) -> usize {
        self.executor_context.max_output
    }

    pub(super) fn stdout(&self, claim: &ClaimedTask) -> Output {
        self.output(claim, "stdout", self.executor_context.max_output)
    }

    pub(super) fn stderr(&self, claim: &ClaimedTask) -> Output {
        self.output(claim, "stderr", STDERR_BYTES)
    }

    fn output(&self, claim: &ClaimedTask, stream: &str, limit: usize) -> Output {
        let artifacts = &self.executor_context.artifacts;
        let path = artifacts.path(&claim.task.task_id, claim.lease, stream);
        Output::new(artifacts.clone(), path, limit)
    }

    /// Takes charge of the process group that was started for a task.
    pub(super) fn adopt_group(&self, leader: u32, task: &Task) -> std::io::Result<Group> {
        self.executor_context.groups.adopt(leader, &task.task_id)
    }
}

/// The file that a configured program is: itself if its path is absolute, else the first of its name on `PATH`.
///
/// # Errors
/// With what is wrong with it.
pub fn find_program(name: &Path) -> Result<PathBuf, String> {
    if name.is_absolute() {
        return executable(name).map(|()| name.to_path_buf());
    }
    std::env::split_paths(&inherited("PATH").unwrap_or_default())
        .map(|folder| folder.join(name))
        .find(|file| executable(file).is_ok())
        .ok_or_else(|| format!("{} is not on PATH", name.display()))
}

fn executable(file: &Path) -> Result<(), String> {
    let wrong = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let meta = file.metadata().map_err(|why| wrong(&why))?;
    if !meta.is_file() {
        return Err(wrong(&"is not a file"));
    }
    access(file.as_os_str().as_bytes(), AccessFlags::X_OK).map_err(|_| wrong(&"is not executable"))
}

fn inherited(name: &str) -> Option<OsString> {
    std::env::var_os(name).or_else(|| (name == "PATH").then(|| USUAL_PATH.into()))
}
