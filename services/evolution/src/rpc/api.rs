//! What every handler works with.

use std::sync::Arc;

use shim_proto::evolution::v1::{
    ApproveEvolutionResponse, EvolveCodeResponse, GenerateTestsResponse,
};
use shim_runtime::background::BackgroundTasks;
use tokio::sync::Semaphore;

use super::runs::Runs;
use crate::Peers;
use crate::config::Config;
use crate::store::Store;

/// The parts of the service behind its RPCs. Clones share one service.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Store,
    pub(crate) peers: Peers,
    pub(crate) tasks: BackgroundTasks,
    /// Calls that work at once.
    pub(super) room: Arc<Semaphore>,
    pub(super) evolving: Runs<EvolveCodeResponse>,
    pub(super) approving: Runs<ApproveEvolutionResponse>,
    pub(super) generating: Runs<GenerateTestsResponse>,
}

impl Api {
    pub(crate) fn new(
        config: Arc<Config>,
        store: Store,
        peers: Peers,
        tasks: BackgroundTasks,
    ) -> Self {
        Self {
            room: Arc::new(Semaphore::new(config.parallel)),
            config,
            store,
            peers,
            tasks,
            evolving: Runs::default(),
            approving: Runs::default(),
            generating: Runs::default(),
        }
    }
    /// The root that a project at `path` is remembered by: as the kernel names it, if it is there.
    pub(super) fn root_of(&self, path: &std::path::Path) -> String {
        let canonical = path.canonicalize();
        let root = canonical.as_deref().unwrap_or(path);
        root.to_string_lossy().into_owned()
    }
}
