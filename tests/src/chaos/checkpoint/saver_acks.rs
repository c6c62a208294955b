//! What the savers were told: the acknowledgements the store is held against.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use shim_proto::checkpoint::v1::{Checkpoint, CheckpointState};

/// A save that was answered with OK.
#[derive(Debug, Clone)]
pub(super) struct Acknowledged {
    /// The header in the answer.
    pub(super) header: Checkpoint,
    /// What was sent.
    pub(super) sent: CheckpointState,
}

/// The acknowledgements of one saver, by checkpoint number.
#[derive(Debug, Default)]
pub(super) struct SaverAcks {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
pub(super) struct Entries {
    /// By number.
    pub(super) by_number: BTreeMap<u64, Acknowledged>,
    /// How often one request, sent again, was answered with another checkpoint than the first time.
    pub(super) changed_answers: u64,
}

impl SaverAcks {
    /// Notes an acknowledgement. The same request may be acknowledged twice, with the same checkpoint; another
    /// checkpoint under a number that is taken is a duplicate.
    pub(super) fn record(&self, acknowledged: Acknowledged) {
        let mut entries = self.entries();
        let number = acknowledged.header.number;
        match entries.by_number.get(&number) {
            Some(before) if before.header.id != acknowledged.header.id => {
                entries.changed_answers += 1;
            }
            Some(_) => {}
            None => {
                entries.by_number.insert(number, acknowledged);
            }
        }
    }

    /// Two answers to one request must be one.
    pub(super) fn compare(&self, one: &Checkpoint, other: &Checkpoint) {
        if one.id != other.id || one.number != other.number || one.hash != other.hash {
            self.entries().changed_answers += 1;
        }
    }

    pub(super) fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().expect("no saver panics while it notes")
    }
}
