//! What every handler works with.

use shim_store::Store;

use crate::distributor::Distributor;
use crate::pool::WorkerPool;

/// The parts of the service behind its RPCs. Clones share one service.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) distributor: Distributor,
    pub(crate) pool: WorkerPool,
}
