//! What the changes of a group amount to, for the metrics: noted while they are made, counted when they are on the disk.
//!
//! A change that is taken back takes its notes with it, so nothing is counted that did not happen. The notes belong to
//! the writer thread, where all changes are made.

use std::cell::RefCell;

type Count = Box<dyn FnOnce()>;

thread_local! {
    static NOTED: RefCell<Vec<Count>> = const { RefCell::new(Vec::new()) };
}

/// Notes what to count when the change that is being made is on the disk.
pub(crate) fn count(what: impl FnOnce() + 'static) {
    if shim_runtime::metrics::are_on() {
        NOTED.with_borrow_mut(|noted| noted.push(Box::new(what)));
    }
}

/// How much is noted, to come back to with [`take_back`].
pub(super) fn noted() -> usize {
    NOTED.with_borrow(Vec::len)
}

/// Forgets what was noted since.
pub(super) fn take_back(to: usize) {
    NOTED.with_borrow_mut(|noted| noted.truncate(to));
}

/// Counts everything: the group is on the disk.
pub(super) fn settle() {
    for count in NOTED.take() {
        count();
    }
}
