//! The state that every handler uses.

use shim_runtime::background::BackgroundTasks;
use shim_store::Store;
use shim_store::config::RegistryConfig;

/// The service behind its RPCs. Clones share one service.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) store: Store,
    /// Owns the background tasks, those behind open streams among them.
    pub(crate) background: BackgroundTasks,
    /// The heartbeat interval that workers receive, and the silence after which a worker is dead.
    pub(crate) registry_config: RegistryConfig,
}
