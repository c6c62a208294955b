//! What every handler works with.

use std::sync::Arc;

use shim_proto::evolution::v1::{
    ApproveEvolutionResponse, EvolveCodeResponse, GenerateTestsResponse,
};
use shim_runtime::background::BackgroundTasks;

use super::runs::Runs;
use crate::config::Config;
use crate::engine::Engine;
use crate::store::Store;

/// The parts of the service behind its RPCs. Clones share one service.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Store,
    pub(crate) engine: Engine,
    pub(crate) tasks: BackgroundTasks,
    pub(super) evolving: Runs<EvolveCodeResponse>,
    pub(super) approving: Runs<ApproveEvolutionResponse>,
    pub(super) generating: Runs<GenerateTestsResponse>,
}

impl Api {
    pub(crate) fn new(engine: Engine, tasks: BackgroundTasks) -> Self {
        Self {
            config: Arc::clone(&engine.config),
            store: engine.store.clone(),
            engine,
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
