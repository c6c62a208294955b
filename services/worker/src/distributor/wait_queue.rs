//! The workers that wait for a task in this process, and when each got its last one.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use shim_proto::coordination::v1::{Requirements, Worker};
use shim_store::tasks::{Claimer, fits};
use shim_store::{Error, IdempotencyKey};
use tokio::sync::{Notify, oneshot, watch};
use uuid::Uuid;

use super::claimer::claimer;
use super::handoff::ClaimResult;
use super::lock::locked;
use crate::domain::assignment::Candidate;

/// Workers whose last assignment is remembered; that of any other is as long ago as can be.
const MAX_LAST_ASSIGNED: usize = 10_000;

/// What the first round must check of a waiter before the waiter may get a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryCheck {
    /// Nothing: a worker of this process knows its own room and requests.
    Nothing,
    /// Whether the worker has room.
    Room,
    /// Whether the request made a claim before, and whether the worker has room.
    RequestAndRoom,
}

/// A worker that waits for a task.
pub(super) struct Waiter {
    pub(super) ticket: Uuid,
    pub(super) worker: Arc<Worker>,
    pub(super) claimer: Claimer,
    pub(super) request_id: String,
    pub(super) answer: oneshot::Sender<ClaimResult>,
    entry_check: EntryCheck,
    is_leaving: Arc<AtomicBool>,
}

impl Waiter {
    /// # Errors
    /// `WorkerNotFound` if the worker's id is none.
    pub(super) fn new(
        worker: &Worker,
        idempotency_key: IdempotencyKey,
        entry_check: EntryCheck,
        answer: oneshot::Sender<ClaimResult>,
    ) -> Result<Self, Error> {
        Ok(Self {
            ticket: Uuid::now_v7(),
            worker: Arc::new(worker.clone()),
            request_id: idempotency_key.request_id.clone(),
            claimer: claimer(worker, idempotency_key)?,
            answer,
            entry_check,
            is_leaving: Arc::default(),
        })
    }
}

/// A waiter as a round sees it.
pub(super) struct WaiterSnapshot {
    pub(super) ticket: Uuid,
    entry_check: EntryCheck,
    /// The request, if it is to be checked.
    pub(super) request_id: Option<String>,
    /// How many tasks the worker runs; 0 until the round knows.
    pub(super) running: u32,
    worker: Arc<Worker>,
    last_assigned: u64,
}

impl WaiterSnapshot {
    pub(super) fn fits(&self, requirements: &Requirements) -> bool {
        fits(requirements, self.worker.kind(), &self.worker.capabilities)
    }

    /// Whether no round checked the waiter yet.
    pub(super) fn is_new(&self) -> bool {
        self.entry_check != EntryCheck::Nothing
    }

    pub(super) fn worker_id(&self) -> &str {
        &self.worker.worker_id
    }

    pub(super) fn capacity(&self) -> u32 {
        self.worker.capacity
    }

    pub(super) fn candidate(&self) -> Candidate<'_> {
        Candidate {
            worker_id: &self.worker.worker_id,
            running: self.running,
            capacity: self.worker.capacity,
            capabilities: self.worker.capabilities.len(),
            last_assigned: self.last_assigned,
        }
    }
}

/// The workers that wait.
#[derive(Default)]
pub(super) struct WaitQueue {
    waiters: Mutex<Vec<Waiter>>,
    pub(super) arrived: Notify,
    last_assigned: Mutex<LastAssigned>,
    rounds_begun: AtomicU64,
    rounds_done: watch::Sender<u64>,
}

/// When each worker got its last task, by a count of all assignments.
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

    /// Whether no worker waits. One that comes from here on tells by `arrived`.
    pub(super) fn is_empty(&self) -> bool {
        locked(&self.waiters).is_empty()
    }

    /// Begins a round; it sees all waiters that were added before.
    pub(super) fn begin_round(&self) -> u64 {
        self.rounds_begun.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(super) fn end_round(&self, round_number: u64) {
        self.rounds_done.send_replace(round_number);
    }

    /// Waits until the round of this number is over.
    pub(super) async fn round_ended(&self, round_number: u64) {
        let mut rounds_done = self.rounds_done.subscribe();
        // The sender lives as long as this does, so waiting cannot fail.
        let _ = rounds_done
            .wait_for(|rounds_done| *rounds_done >= round_number)
            .await;
    }

    /// The workers that wait now. Of a worker, nothing is copied: a round may see thousands.
    pub(super) fn snapshots(&self) -> Vec<WaiterSnapshot> {
        let last_assigned = locked(&self.last_assigned);
        let mut waiters = locked(&self.waiters);
        waiters.retain(|waiter| !waiter.answer.is_closed());
        let seen = waiters.iter().map(|waiter| {
            let last = last_assigned.last.get(&waiter.worker.worker_id);
            let is_request_new = waiter.entry_check == EntryCheck::RequestAndRoom;
            WaiterSnapshot {
                ticket: waiter.ticket,
                entry_check: waiter.entry_check,
                request_id: is_request_new.then(|| waiter.request_id.clone()),
                running: 0,
                worker: waiter.worker.clone(),
                last_assigned: last.copied().unwrap_or(0),
            }
        });
        seen.collect()
    }

    /// Notes that the first round of these waiters checked what was to be checked.
    pub(super) fn mark_checked(&self, tickets: &HashSet<Uuid>) {
        if tickets.is_empty() {
            return;
        }
        for waiter in &mut *locked(&self.waiters) {
            if tickets.contains(&waiter.ticket) {
                waiter.entry_check = EntryCheck::Nothing;
            }
        }
    }

    /// Takes a waiter out, to claim a task for it or to answer it.
    pub(super) fn take(&self, ticket: Uuid) -> Option<Waiter> {
        let mut waiters = locked(&self.waiters);
        let index = waiters.iter().position(|waiter| waiter.ticket == ticket)?;
        Some(waiters.swap_remove(index))
    }

    /// Puts a waiter back for which there was no task; a waiter that is leaving sees the end of its channel.
    pub(super) fn put_back(&self, waiter: Waiter) {
        let mut waiters = locked(&self.waiters);
        if !waiter.is_leaving.load(Ordering::SeqCst) {
            waiters.push(waiter);
        }
    }

    /// Records that a worker got a task.
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

/// Keeps a waiter in the queue; dropping it withdraws the waiter.
pub(super) struct WaitGuard {
    /// The first round that sees the waiter.
    pub(super) round_number: u64,
    wait_queue: Arc<WaitQueue>,
    ticket: Uuid,
    is_leaving: Arc<AtomicBool>,
}

impl WaitGuard {
    /// Withdraws the waiter; `false` if a claim is in flight for it, whose answer arrives on the channel.
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
