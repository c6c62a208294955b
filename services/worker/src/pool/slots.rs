//! A worker's slots: as many as its capacity, each with the claim that occupies it.
//!
//! A claim's idempotency key names a free slot. If the answer is lost, another claim for that slot finds the first one for
//! as long as the store keeps the key, and the store keeps no more keys of a worker than it has slots.

use std::sync::{Mutex, MutexGuard, PoisonError};

use shim_proto::coordination::v1::Worker;
use shim_runtime::ids::LeaseToken;
use shim_store::IdempotencyKey;

pub(super) struct ClaimSlots(Mutex<Vec<Option<LeaseToken>>>);

/// A slot that a claim is made for.
#[derive(Debug, Clone)]
pub(super) struct ClaimSlot {
    number: usize,
    pub(super) idempotency_key: IdempotencyKey,
}

impl ClaimSlots {
    pub(super) fn new(capacity: u32) -> Self {
        Self(Mutex::new(vec![None; capacity as usize]))
    }

    /// The slot of the next claim; `None` if all are occupied.
    pub(super) fn next_free(&self, worker: &Worker) -> Option<ClaimSlot> {
        let number = self.slots().iter().position(Option::is_none)?;
        let (id, epoch) = (&worker.worker_id, worker.epoch);
        Some(ClaimSlot {
            number,
            idempotency_key: IdempotencyKey {
                // A client's request id holds no space.
                request_id: format!("claim {id} {epoch} {number}"),
                fingerprint: String::new(),
            },
        })
    }

    pub(super) fn occupy(&self, slot: &ClaimSlot, lease: LeaseToken) {
        if let Some(holder) = self.slots().get_mut(slot.number) {
            *holder = Some(lease);
        }
    }

    pub(super) fn free(&self, lease: LeaseToken) {
        for slot in self.slots().iter_mut() {
            *slot = slot.filter(|holder| *holder != lease);
        }
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Option<LeaseToken>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn claims_are_made_for_a_slot_until_one_occupies_it() {
        let (slots, worker) = (ClaimSlots::new(2), Worker::default());
        let next_free = || slots.next_free(&worker).unwrap();
        let first = next_free();
        assert_eq!(
            next_free().idempotency_key.request_id,
            first.idempotency_key.request_id
        );
        slots.occupy(&first, LeaseToken(7));
        let second = next_free();
        assert_ne!(
            second.idempotency_key.request_id,
            first.idempotency_key.request_id
        );
        slots.free(LeaseToken(7));
        slots.occupy(&second, LeaseToken(8));
        assert_eq!(next_free().number, first.number);
        slots.occupy(&first, LeaseToken(9));
        assert!(slots.next_free(&worker).is_none());
    }
}
