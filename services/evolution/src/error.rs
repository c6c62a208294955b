//! The errors of the evolution service, and what each is in gRPC.

use shim_runtime::error_table;

use crate::project::ProjectError;
use crate::tool_host::HostError;

/// A call that the evolution service refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EvolutionError {
    /// A tool refuses or fails.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The path names no project that can be worked on.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The call came while the service ends.
    #[error("the service is being stopped")]
    Stopping,
}

error_table! { EvolutionError (transparent: Host, Project),
    Stopping => Unavailable STOPPING, "call again once the service is back", retry 1_000;
}
