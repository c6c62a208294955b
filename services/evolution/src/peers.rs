//! The other services, as clients reach them.

use shim_runtime::client::Channel;

/// Channels to them; a service that is not configured is `None`.
#[derive(Debug, Clone, Default)]
pub struct Peers {
    /// Sessions and their checkpoints.
    pub checkpoint: Option<Channel>,
    /// Tasks and workers.
    pub coordination: Option<Channel>,
    /// Claims of tasks.
    pub worker: Option<Channel>,
}
