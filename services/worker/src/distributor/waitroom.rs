//! Those who wait for a task in this process, and whose turn was when.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use shim_proto::coordination::v1::{Requirements, Worker};
use shim_store::Once;
use shim_store::tasks::{Claimer, fits};
use tokio::sync::{Notify, oneshot, watch};
use uuid::Uuid;

use super::offer::Answer;
use super::{claimer, locked};
use crate::domain::assignment::Candidate;

/// Workers whose last turn is remembered; the turns of others are as long ago as can be.
const MOST_TURNS: usize = 10_000;

/// A worker that waits for a task.
pub(super) struct Waiter {
    pub(super) ticket: Uuid,
    pub(super) worker: Worker,
    pub(super) claimer: Claimer,
    pub(super) request_id: String,
    pub(super) answer: oneshot::Sender<Answer>,
    is_leaving: Arc<AtomicBool>,
}

impl Waiter {
    pub(super) fn new(worker: &Worker, once: Once, answer: oneshot::Sender<Answer>) -> Self {
        Self {
            ticket: Uuid::now_v7(),
            worker: worker.clone(),
            request_id: once.request_id.clone(),
            claimer: claimer(worker, once),
            answer,
            is_leaving: Arc::default(),
        }
    }
}

/// A waiting worker as a look sees it.
pub(super) struct Seen {
    pub(super) ticket: Uuid,
    pub(super) candidate: Candidate,
    worker: Worker,
}

impl Seen {
    pub(super) fn fits(&self, requirements: &Requirements) -> bool {
        fits(requirements, self.worker.kind(), &self.worker.capabilities)
    }
}

/// Those who wait.
#[derive(Default)]
pub(super) struct Waitroom {
    waiters: Mutex<Vec<Waiter>>,
    pub(super) arrived: Notify,
    turns: Mutex<Turns>,
    begun: AtomicU64,
    done: watch::Sender<u64>,
}

/// When each worker got its last task, by a count of all that were given.
#[derive(Default)]
struct Turns {
    count: u64,
    last: HashMap<String, u64>,
}

impl Waitroom {
    pub(super) fn enter(self: &Arc<Self>, waiter: Waiter) -> Place {
        let (ticket, is_leaving) = (waiter.ticket, waiter.is_leaving.clone());
        locked(&self.waiters).push(waiter);
        self.arrived.notify_one();
        Place {
            number: self.begun.load(Ordering::SeqCst) + 1,
            room: self.clone(),
            ticket,
            is_leaving,
        }
    }

    /// Begins a look; it sees all who entered before.
    pub(super) fn begin_look(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(super) fn end_look(&self, number: u64) {
        self.done.send_replace(number);
    }

    /// Waits until the look of this number is over.
    pub(super) async fn looked(&self, number: u64) {
        let mut done = self.done.subscribe();
        // The sender lives as long as this does, so waiting cannot fail.
        let _ = done.wait_for(|done| *done >= number).await;
    }

    /// Who waits now, as if they had no tasks yet.
    pub(super) fn who(&self) -> Vec<Seen> {
        let turns = locked(&self.turns);
        let mut waiters = locked(&self.waiters);
        waiters.retain(|waiter| !waiter.answer.is_closed());
        let seen = waiters.iter().map(|waiter| Seen {
            ticket: waiter.ticket,
            candidate: Candidate {
                worker_id: waiter.worker.worker_id.clone(),
                running: 0,
                capacity: waiter.worker.capacity,
                capabilities: waiter.worker.capabilities.len(),
                last_assigned: turns
                    .last
                    .get(&waiter.worker.worker_id)
                    .copied()
                    .unwrap_or(0),
            },
            worker: waiter.worker.clone(),
        });
        seen.collect()
    }

    /// Takes one out, to have a task for it.
    pub(super) fn call(&self, ticket: Uuid) -> Option<Waiter> {
        let mut waiters = locked(&self.waiters);
        let place = waiters.iter().position(|waiter| waiter.ticket == ticket)?;
        Some(waiters.swap_remove(place))
    }

    /// Lets one wait on for whom there was nothing; one that is leaving is told so by the end of its channel.
    pub(super) fn put_back(&self, waiter: Waiter) {
        let mut waiters = locked(&self.waiters);
        if !waiter.is_leaving.load(Ordering::SeqCst) {
            waiters.push(waiter);
        }
    }

    /// It was a worker's turn.
    pub(super) fn note_turn(&self, worker_id: &str) {
        let mut turns = locked(&self.turns);
        turns.count += 1;
        let now = turns.count;
        if turns.last.len() >= MOST_TURNS {
            let half = MOST_TURNS as u64 / 2;
            turns.last.retain(|_, last| *last + half > now);
        }
        turns.last.insert(worker_id.to_owned(), now);
    }
}

/// Someone's place among those who wait; dropping it gives it up.
pub(super) struct Place {
    /// The first look that sees whoever is here.
    pub(super) number: u64,
    room: Arc<Waitroom>,
    ticket: Uuid,
    is_leaving: Arc<AtomicBool>,
}

impl Place {
    /// Gives the place up; `false` if a task is being had for it, of which it is told then.
    pub(super) fn leave(&self) -> bool {
        self.is_leaving.store(true, Ordering::SeqCst);
        self.room.call(self.ticket).is_some()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}
