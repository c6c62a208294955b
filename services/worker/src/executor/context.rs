//! What the executors of one process share: folders, process groups and bounds.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use shim_exec::{Artifacts, Groups, Keeping};

use super::conversations::Conversations;
use crate::config::Config;

/// The environment variable that names the task to its program.
const TASK_ID: &str = "SHIM_TASK_ID";

/// The shared part of all executors. Clones share it.
#[derive(Debug, Clone)]
pub struct ExecutorContext {
    /// Folders that programs may work in, as the kernel names them.
    pub(super) roots: Arc<[PathBuf]>,
    pub(super) artifacts: Arc<Artifacts>,
    pub(super) groups: Arc<Groups>,
    pub(super) conversations: Conversations,
    /// Between SIGTERM and SIGKILL.
    pub(super) grace: Duration,
    /// Bytes of a result's text.
    pub(super) max_output: usize,
}

impl ExecutorContext {
    /// Makes the folders, and kills what an earlier process with the same data folder left behind.
    ///
    /// # Errors
    /// If a folder cannot be made.
    pub fn open(config: &Config) -> std::io::Result<Self> {
        let groups = Groups::open(&config.groups, TASK_ID)?;
        let groups = match &config.supervisor {
            Some(program) => groups.supervised_by(program.clone()),
            None => groups,
        };
        let keeping = Keeping {
            time: config.keep_artifacts,
            bytes: config.max_artifacts,
        };
        Ok(Self {
            roots: config.roots.clone().into(),
            artifacts: Arc::new(Artifacts::open(&config.artifacts, keeping)?),
            groups: Arc::new(groups),
            conversations: Conversations::open(&config.conversations, config.keep_artifacts)?,
            grace: config.grace,
            max_output: config.max_output,
        })
    }
}
