//! A worker's seats: as many as its capacity, each with the claim that sits on it.
//!
//! A claim is asked for in the name of a free seat. If its answer is lost, asking for that seat again finds the claim, for
//! as long as a request is remembered; and the store remembers no more of a worker's claims than it has seats.

use std::sync::{Mutex, MutexGuard, PoisonError};

use shim_proto::coordination::v1::Worker;
use shim_store::IdempotencyKey;

pub(super) struct ClaimSlots(Mutex<Vec<Option<u64>>>);

/// A seat that a claim is asked for.
#[derive(Debug, Clone)]
pub(super) struct ClaimSlot {
    number: usize,
    pub(super) idempotency_key: IdempotencyKey,
}

impl ClaimSlots {
    pub(super) fn new(capacity: u32) -> Self {
        Self(Mutex::new(vec![None; capacity as usize]))
    }

    /// The seat that the next claim is asked for; `None` if all are taken.
    pub(super) fn next_free(&self, worker: &Worker) -> Option<ClaimSlot> {
        let number = self.slots().iter().position(Option::is_none)?;
        let (id, epoch) = (&worker.worker_id, worker.epoch);
        Some(ClaimSlot {
            number,
            idempotency_key: IdempotencyKey {
                // No client's request has a space in its id.
                request_id: format!("claim {id} {epoch} {number}"),
                fingerprint: String::new(),
            },
        })
    }

    pub(super) fn occupy(&self, slot: &ClaimSlot, lease: u64) {
        if let Some(holder) = self.slots().get_mut(slot.number) {
            *holder = Some(lease);
        }
    }

    pub(super) fn free(&self, lease: u64) {
        for slot in self.slots().iter_mut() {
            *slot = slot.filter(|holder| *holder != lease);
        }
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Option<u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_slot_is_asked_for_until_a_claim_occupies_it() {
        let (slots, worker) = (ClaimSlots::new(2), Worker::default());
        let next_free = || slots.next_free(&worker).unwrap();
        let first = next_free();
        assert_eq!(
            next_free().idempotency_key.request_id,
            first.idempotency_key.request_id
        );
        slots.occupy(&first, 7);
        let second = next_free();
        assert_ne!(
            second.idempotency_key.request_id,
            first.idempotency_key.request_id
        );
        slots.free(7);
        slots.occupy(&second, 8);
        assert_eq!(next_free().number, first.number);
        slots.occupy(&first, 9);
        assert!(slots.next_free(&worker).is_none());
    }
}
