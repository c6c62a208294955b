//! Those who wait for a task in this process, and whose turn was when.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use shim_proto::coordination::v1::{Requirements, Worker};
use shim_store::IdempotencyKey;
use shim_store::tasks::{Claimer, fits};
use tokio::sync::{Notify, oneshot, watch};
use uuid::Uuid;

use super::handoff::HandoffResult;
use super::{claimer, locked};
use crate::domain::assignment::Candidate;

/// Workers whose last turn is remembered; the turns of others are as long ago as can be.
const MAX_LAST_ASSIGNED: usize = 10_000;

/// A worker that waits for a task.
pub(super) struct Waiter {
    pub(super) ticket: Uuid,
    pub(super) worker: Worker,
    pub(super) claimer: Claimer,
    pub(super) request_id: String,
    pub(super) answer: oneshot::Sender<HandoffResult>,
    is_leaving: Arc<AtomicBool>,
}

impl Waiter {
    pub(super) fn new(
        worker: &Worker,
        idempotency_key: IdempotencyKey,
        answer: oneshot::Sender<HandoffResult>,
    ) -> Self {
        Self {
            ticket: Uuid::now_v7(),
            worker: worker.clone(),
            request_id: idempotency_key.request_id.clone(),
            claimer: claimer(worker, idempotency_key),
            answer,
            is_leaving: Arc::default(),
        }
    }
}

/// A waiting worker as a look sees it.
pub(super) struct WaiterSnapshot {
    pub(super) ticket: Uuid,
    pub(super) candidate: Candidate,
    worker: Worker,
}

impl WaiterSnapshot {
    pub(super) fn fits(&self, requirements: &Requirements) -> bool {
        fits(requirements, self.worker.kind(), &self.worker.capabilities)
    }
}

/// Those who wait.
#[derive(Default)]
pub(super) struct WaitQueue {
    waiters: Mutex<Vec<Waiter>>,
    pub(super) arrived: Notify,
    last_assigned: Mutex<LastAssigned>,
    rounds_begun: AtomicU64,
    rounds_done: watch::Sender<u64>,
}

/// When each worker got its last task, by a count of all that were given.
#[derive(Default)]
struct LastAssigned {
    count: u64,
    last: HashMap<String, u64>,
}

impl WaitQueue {
    pub(super) fn add(self: &Arc<Self>, waiter: Waiter) -> WaitGuard {
        let (ticket, is_leaving) = (waiter.ticket, waiter.is_leaving.clone());
        locked(&self.waiters).push(waiter);
        self.arrived.notify_one();
        WaitGuard {
            round_number: self.rounds_begun.load(Ordering::SeqCst) + 1,
            wait_queue: self.clone(),
            ticket,
            is_leaving,
        }
    }

    /// Begins a look; it sees all who entered before.
    pub(super) fn begin_round(&self) -> u64 {
        self.rounds_begun.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(super) fn end_round(&self, round_number: u64) {
        self.rounds_done.send_replace(round_number);
    }

    /// Waits until the look of this number is over.
    pub(super) async fn round_ended(&self, round_number: u64) {
        let mut rounds_done = self.rounds_done.subscribe();
        // The sender lives as long as this does, so waiting cannot fail.
        let _ = rounds_done
            .wait_for(|rounds_done| *rounds_done >= round_number)
            .await;
    }

    /// Who waits now, as if they had no tasks yet.
    pub(super) fn snapshots(&self) -> Vec<WaiterSnapshot> {
        let last_assigned = locked(&self.last_assigned);
        let mut waiters = locked(&self.waiters);
        waiters.retain(|waiter| !waiter.answer.is_closed());
        let seen = waiters.iter().map(|waiter| WaiterSnapshot {
            ticket: waiter.ticket,
            candidate: Candidate {
                worker_id: waiter.worker.worker_id.clone(),
                running: 0,
                capacity: waiter.worker.capacity,
                capabilities: waiter.worker.capabilities.len(),
                last_assigned: last_assigned
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
    pub(super) fn take(&self, ticket: Uuid) -> Option<Waiter> {
        let mut waiters = locked(&self.waiters);
        let index = waiters.iter().position(|waiter| waiter.ticket == ticket)?;
        Some(waiters.swap_remove(index))
    }

    /// Lets one wait on for whom there was nothing; one that is leaving is told so by the end of its channel.
    pub(super) fn put_back(&self, waiter: Waiter) {
        let mut waiters = locked(&self.waiters);
        if !waiter.is_leaving.load(Ordering::SeqCst) {
            waiters.push(waiter);
        }
    }

    /// It was a worker's turn.
    pub(super) fn record_assignment(&self, worker_id: &str) {
        let mut last_assigned = locked(&self.last_assigned);
        last_assigned.count += 1;
        let now = last_assigned.count;
        if last_assigned.last.len() >= MAX_LAST_ASSIGNED {
            let half = MAX_LAST_ASSIGNED as u64 / 2;
            last_assigned.last.retain(|_, last| *last + half > now);
        }
        last_assigned.last.insert(worker_id.to_owned(), now);
    }
}

/// Someone's place among those who wait; dropping it gives it up.
pub(super) struct WaitGuard {
    /// The first look that sees whoever is here.
    pub(super) round_number: u64,
    wait_queue: Arc<WaitQueue>,
    ticket: Uuid,
    is_leaving: Arc<AtomicBool>,
}

impl WaitGuard {
    /// Gives the place up; `false` if a task is being had for it, of which it is told then.
    pub(super) fn withdraw(&self) -> bool {
        self.is_leaving.store(true, Ordering::SeqCst);
        self.wait_queue.take(self.ticket).is_some()
    }
}

impl Drop for WaitGuard {
    fn drop(&mut self) {
        self.withdraw();
    }
}
