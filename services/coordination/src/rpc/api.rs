//! What every handler works with.

use shim_runtime::background::BackgroundTasks;
use shim_store::Store;
use shim_store::config::RegistryConfig;

/// The service behind its RPCs. Clones share one service.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) store: Store,
    /// Owns the tasks behind open streams.
    pub(crate) background: BackgroundTasks,
    /// The heartbeat interval that workers are given, and the silence that counts as their death.
    pub(crate) registry_config: RegistryConfig,
}
