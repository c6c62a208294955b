//! A worker that does tasks with code of this process, as it is described to the pool.

use std::sync::Arc;

use shim_proto::coordination::v1::WorkerKind;
use shim_work::Executor;

/// What a worker of this process does.
#[derive(Clone)]
pub struct OwnWorker {
    /// Its name for people.
    pub name: &'static str,
    /// The kind that tasks ask for.
    pub kind: WorkerKind,
    /// Tasks at once.
    pub capacity: u32,
    /// Does them.
    pub executor: Arc<dyn Executor>,
}
