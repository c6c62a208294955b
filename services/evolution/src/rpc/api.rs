//! What every handler works with.

use std::path::Path;
use std::sync::Arc;

use shim_proto::evolution::v1::{
    ApproveEvolutionResponse, EvolveCodeResponse, GenerateTestsResponse,
};
use shim_runtime::background::BackgroundTasks;

use super::reversions::Reverting;
use super::runs::Runs;
use super::streamed::Calls;
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
    pub(super) reverting: Reverting,
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
            reverting: Reverting::default(),
        }
    }
    /// What long calls work with.
    pub(super) fn calls(&self) -> Calls {
        Calls {
            engine: self.engine.clone(),
            tasks: self.tasks.clone(),
        }
    }

    /// The root of the project at `path`, which evolutions are remembered by. What is gone or may not be worked on any more
    /// is looked for by its path.
    pub(super) async fn root_of(&self, path: &Path) -> String {
        match self.engine.project(path).await {
            Ok(project) => project.root().to_string_lossy().into_owned(),
            Err(_) => path.to_string_lossy().into_owned(),
        }
    }
}
