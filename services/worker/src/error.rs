//! The errors of the worker service, and what each is in gRPC.

use shim_runtime::error_table;

/// A call that the worker service refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WorkerError {
    /// The store refuses or fails.
    #[error(transparent)]
    Store(#[from] shim_store::Error),
    /// The configuration has no executor at all.
    #[error("executor: there is no {name}: no executor is configured")]
    NoExecutors {
        /// The name in the request.
        name: String,
    },
    /// The configuration has no executor of this name.
    #[error("executor: there is no {name} in the configuration, which has: {known}")]
    ExecutorUnknown {
        /// The name in the request.
        name: String,
        /// The configured names.
        known: String,
    },
}

error_table! { WorkerError (transparent: Store),
    NoExecutors => InvalidArgument EXECUTOR_UNKNOWN,
        "add one to shim.toml: kind and program below [worker.executors.NAME], then restart the stack";
    ExecutorUnknown => InvalidArgument EXECUTOR_UNKNOWN,
        "name one of those, or add worker.executors.NAME to the configuration";
}
