//! What was read of one database and holds for good, remembered beside it. Whatever is here can be read again.

use std::cell::RefCell;
use std::sync::Arc;

use super::rank_memory::RankMemory;
use super::text_memory::TextMemory;

thread_local! {
    static CURRENT: RefCell<Option<Arc<Memory>>> = const { RefCell::new(None) };
}

/// The memory of one database; all connections share it.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(super) texts: TextMemory,
    pub(super) ranks: RankMemory,
}

/// Forgets whose memory it is, also after a panic.
struct Current;

impl Drop for Current {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| *current = None);
    }
}

/// Runs work on the database that the memory is of.
pub(crate) fn remembering<R>(memory: &Arc<Memory>, work: impl FnOnce() -> R) -> R {
    CURRENT.with_borrow_mut(|current| *current = Some(Arc::clone(memory)));
    let _current = Current;
    work()
}

/// The memory of the database that is worked on, if it has one.
pub(super) fn current() -> Option<Arc<Memory>> {
    CURRENT.with_borrow(Clone::clone)
}

/// Forgets what ranks a session that is being changed, once it is.
pub(super) fn forget_rank_after_commit(row_id: i64) {
    let known = current().filter(|memory| memory.ranks.has(row_id));
    if let Some(memory) = known {
        shim_sqlite::after_commit(move || memory.ranks.forget(row_id));
    }
}
