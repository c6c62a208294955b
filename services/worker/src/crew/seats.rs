//! A worker's seats: as many as its capacity, each with the claim that sits on it.
//!
//! A claim is asked for in the name of a free seat. If its answer is lost, asking for that seat again finds the claim, for
//! as long as a request is remembered; and the store remembers no more of a worker's claims than it has seats.

use std::sync::{Mutex, MutexGuard, PoisonError};

use shim_proto::coordination::v1::Worker;
use shim_store::Once;

pub(super) struct Seats(Mutex<Vec<Option<u64>>>);

/// A seat that a claim is asked for.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    number: usize,
    pub(super) once: Once,
}

impl Seats {
    pub(super) fn new(capacity: u32) -> Self {
        Self(Mutex::new(vec![None; capacity as usize]))
    }

    /// The seat that the next claim is asked for; `None` if all are taken.
    pub(super) fn next(&self, worker: &Worker) -> Option<Seat> {
        let number = self.seats().iter().position(Option::is_none)?;
        let (id, epoch) = (&worker.worker_id, worker.epoch);
        Some(Seat {
            number,
            once: Once {
                // No client's request has a space in its id.
                request_id: format!("claim {id} {epoch} {number}"),
                fingerprint: String::new(),
            },
        })
    }

    pub(super) fn take(&self, seat: &Seat, lease: u64) {
        if let Some(place) = self.seats().get_mut(seat.number) {
            *place = Some(lease);
        }
    }

    pub(super) fn leave(&self, lease: u64) {
        for seat in self.seats().iter_mut() {
            *seat = seat.filter(|sitting| *sitting != lease);
        }
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Option<u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_seat_is_asked_for_until_somebody_sits_on_it() {
        let (seats, worker) = (Seats::new(2), Worker::default());
        let next = || seats.next(&worker).unwrap();
        let first = next();
        assert_eq!(next().once.request_id, first.once.request_id);
        seats.take(&first, 7);
        let second = next();
        assert_ne!(second.once.request_id, first.once.request_id);
        seats.leave(7);
        seats.take(&second, 8);
        assert_eq!(next().number, first.number);
        seats.take(&first, 9);
        assert!(seats.next(&worker).is_none());
    }
}
