//! Executors: the programs that do tasks.
//!
//! An executor gets a claimed task, gives signs of life while it works and tells how it ended. It never speaks to the
//! store: whether the claim still stands, and what becomes of the outcome, is decided by its caller. Every program runs
//! in a process group of its own, and nothing of the group is left when the executor returns or is dropped.
//! Folders and variables are confined as a rule for tasks, not as a sandbox: a program has the rights of this process.

mod agent;
mod artifacts;
mod child;
mod command;
mod groups;
mod lines;
mod orphan_guard;
mod orphans;
mod output;
mod program;
mod progress;
mod progress_lines;
mod prompt;
mod stream_json;
mod transcript;
mod working_dir;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use shim_proto::coordination::v1::{Task, TaskError, TaskResult};
use shim_runtime::redact;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, ExecutorConfig, ExecutorKind};

use agent::Agent;
use artifacts::Artifacts;
use command::Command;
use groups::Groups;
use program::Program;

pub(crate) use output::first_line;
pub use program::find_program;
pub use progress::{ProgressHandle, ProgressUpdate};

/// The program could not do it, or did not want to.
pub const EXECUTOR_FAILED: &str = "EXECUTOR_FAILED";
/// It took longer than it may.
pub const TIMED_OUT: &str = "TIMED_OUT";
/// The task asks for what the executor's configuration does not allow.
pub const NOT_ALLOWED: &str = "NOT_ALLOWED";

/// The longest message of an error on the wire.
pub(crate) const MAX_MESSAGE_BYTES: usize = 8 * 1024;

/// A task that this worker has.
#[derive(Debug, Clone, Default)]
pub struct ClaimedTask {
    /// The task.
    pub task: Task,
    /// The fencing token of the claim.
    pub lease: u64,
    /// Where an earlier worker left off, for people and models to read.
    pub resume: Option<String>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum AttemptOutcome {
    /// With a result.
    Completed(TaskResult),
    /// Without one.
    Failed(AttemptFailure),
    /// It was told to stop, and did.
    Stopped,
    /// It never began: this executor cannot run anything now, for the reason given.
    NotRunnable(String),
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptFailure {
    /// For the submitter.
    pub error: TaskError,
    /// Trying again is of no use.
    pub is_final: bool,
    /// It is the program that broke, not the task that could not be done.
    pub is_crash: bool,
}

impl AttemptFailure {
    pub(crate) fn new(reason: &str, message: &str) -> Self {
        Self {
            error: TaskError {
                reason: reason.to_owned(),
                message: output::clipped(&redact::text(message), MAX_MESSAGE_BYTES).0,
            },
            is_final: false,
            is_crash: false,
        }
    }

    pub(crate) fn crash(message: &str) -> Self {
        Self {
            is_crash: true,
            ..Self::new(EXECUTOR_FAILED, message)
        }
    }

    fn not_allowed(message: &str) -> Self {
        Self {
            is_final: true,
            ..Self::new(NOT_ALLOWED, message)
        }
    }
}

/// What does tasks.
pub trait Executor: Send + Sync {
    /// Whether it could run a task now.
    ///
    /// # Errors
    /// What is missing, in a few words.
    fn check_runnable(&self) -> Result<(), String>;

    /// Does the task until it is done, failed, out of time or told to stop. Dropped, it leaves no process behind.
    fn run<'a>(
        &'a self,
        claim: &'a ClaimedTask,
        progress: &'a ProgressHandle,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, AttemptOutcome>;
}

/// What the executors of one process share.
#[derive(Debug, Clone)]
pub struct ExecutorContext {
    roots: Arc<[PathBuf]>,
    artifacts: Arc<Artifacts>,
    groups: Arc<Groups>,
    grace: Duration,
    max_output: usize,
}

impl ExecutorContext {
    /// Makes the folders, and kills what an earlier process on the same data folder left behind.
    ///
    /// # Errors
    /// If a folder cannot be made.
    pub fn open(config: &Config) -> std::io::Result<Self> {
        Ok(Self {
            roots: config.roots.clone().into(),
            artifacts: Arc::new(Artifacts::open(&config.artifacts, config.keep_artifacts)?),
            groups: Arc::new(Groups::open(&config.groups)?),
            grace: config.grace,
            max_output: config.max_output,
        })
    }

    /// The executor that is configured so.
    #[must_use]
    pub fn executor(&self, config: &ExecutorConfig) -> Arc<dyn Executor> {
        let program = Program::new(config.clone(), self.clone());
        match config.kind {
            ExecutorKind::Command => Arc::new(Command::new(program)),
            ExecutorKind::Agent => Arc::new(Agent::new(program)),
        }
    }
}
