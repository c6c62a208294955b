//! All living workers, read page by page.

use shim_proto::coordination::v1::Worker;
use shim_store::registry::Filter;
use shim_store::{Error, Store};

/// Workers read at once.
const PAGE: u32 = 1_000;

/// Reads the workers that are neither dead nor deregistered, in the order of their ids.
pub(crate) async fn living_workers(store: &Store) -> Result<Vec<Worker>, Error> {
    let (living, mut workers, mut after) = (Filter::default(), Vec::new(), None);
    loop {
        let list = store.registry.list(&living, after.as_deref(), PAGE);
        let page = list.await?;
        workers.extend(page.workers);
        after = page.next;
        if after.is_none() {
            return Ok(workers);
        }
    }
}
