//! Actions of a change that run after its group is on the disk, such as counting it in a metric.
//!
//! A change that is rolled back takes its actions with it. The list belongs to the writer thread, where all changes are
//! made.

use std::cell::RefCell;

type Action = Box<dyn FnOnce()>;

thread_local! {
    static PENDING: RefCell<Vec<Action>> = const { RefCell::new(Vec::new()) };
}

/// Runs `action` on the writer thread once the change that is being made is on the disk. To be called in a job.
pub fn after_commit(action: impl FnOnce() + 'static) {
    PENDING.with_borrow_mut(|pending| pending.push(Box::new(action)));
}

/// How many actions wait, to come back to with [`discard_after`].
pub(crate) fn pending_len() -> usize {
    PENDING.with_borrow(Vec::len)
}

/// Forgets the actions added since there were `len`.
pub(crate) fn discard_after(len: usize) {
    PENDING.with_borrow_mut(|pending| pending.truncate(len));
}

/// Runs every action: the group is on the disk.
pub(crate) fn run_all() {
    for action in PENDING.take() {
        action();
    }
}
