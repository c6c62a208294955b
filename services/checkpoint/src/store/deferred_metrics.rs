//! What the changes of a group amount to, for the metrics: noted while they are made, counted when they are on the disk.
//!
//! A change that is taken back takes its notes with it, so nothing is counted that did not happen. The notes belong to
//! the writer thread, where all changes are made.

use std::cell::RefCell;

type Action = Box<dyn FnOnce()>;

thread_local! {
    static PENDING: RefCell<Vec<Action>> = const { RefCell::new(Vec::new()) };
}

/// Notes what to count when the change that is being made is on the disk.
pub(crate) fn after_commit(action: impl FnOnce() + 'static) {
    if shim_runtime::metrics::is_enabled() {
        PENDING.with_borrow_mut(|pending| pending.push(Box::new(action)));
    }
}

/// How much is noted, to come back to with [`discard_after`].
pub(super) fn pending_len() -> usize {
    PENDING.with_borrow(Vec::len)
}

/// Forgets what was noted since.
pub(super) fn discard_after(to: usize) {
    PENDING.with_borrow_mut(|pending| pending.truncate(to));
}

/// Counts everything: the group is on the disk.
pub(super) fn run_all() {
    for action in PENDING.take() {
        action();
    }
}
