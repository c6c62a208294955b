//! Claims on their way to those who asked for them.
//!
//! Whoever asked may be gone by now: its client hung up. A claim that nobody accepts is given back, unless the same
//! request came again meanwhile, which finds the claim by itself.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use shim_store::tasks::Claimed;
use shim_store::{Error, Once, Store};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::locked;

/// What a worker gets that waited.
pub(super) type Answer = Result<Offer, Error>;

/// Knows who asks now, and what is being given back.
pub(super) struct Offers {
    store: Store,
    requests: Mutex<Requests>,
    given_back: Notify,
}

#[derive(Default)]
struct Requests {
    /// By id.
    known: HashMap<String, Request>,
    /// Ids of those whose claims are being given back.
    leaving: HashSet<String>,
}

/// A request, as long as anybody has to do with it.
#[derive(Default)]
struct Request {
    /// Calls that ask.
    calls: usize,
    /// Attempts to have a task for it, and what came of them until that was accepted.
    attempts: usize,
    /// A call was answered with the claim.
    is_answered: bool,
}

impl Offers {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            requests: Mutex::default(),
            given_back: Notify::new(),
        }
    }

    /// Begins a call that asks with this id, for as long as the guard lives; what an earlier one did not accept was
    /// given back before.
    pub(super) async fn asks(self: &Arc<Self>, request_id: &str) -> Asking {
        loop {
            let given_back = self.given_back.notified();
            tokio::pin!(given_back);
            given_back.as_mut().enable();
            {
                let mut requests = locked(&self.requests);
                if !requests.leaving.contains(request_id) {
                    requests.known(request_id).calls += 1;
                    return Asking(self.clone(), request_id.to_owned());
                }
            }
            given_back.await;
        }
    }

    /// Begins to have a task for a request.
    pub(super) fn attempt(self: &Arc<Self>, request_id: &str) -> Attempt {
        locked(&self.requests).known(request_id).attempts += 1;
        Attempt(self.clone(), request_id.to_owned())
    }

    async fn give_back(&self, request_id: &str, claimed: &Claimed) {
        let (id, once) = (&claimed.task.task_id, Once::anew());
        let why = "its worker did not wait for it";
        let tasks = &self.store.tasks;
        if let Err(error) = tasks.release(&once, id, claimed.lease, why).await {
            tracing::warn!(%error, task = id, "a task stays with a worker that left");
        }
        locked(&self.requests).leaving.remove(request_id);
        self.given_back.notify_waiters();
    }
}

impl Requests {
    fn known(&mut self, id: &str) -> &mut Request {
        self.known.entry(id.to_owned()).or_default()
    }

    fn forget_if_over(&mut self, id: &str) {
        let is_over = |request: &Request| request.calls == 0 && request.attempts == 0;
        if self.known.get(id).is_some_and(is_over) {
            self.known.remove(id);
        }
    }
}

/// A call that asks.
pub(super) struct Asking(Arc<Offers>, String);

impl Asking {
    /// It is answered with the claim.
    pub(super) fn is_answered(&self) {
        locked(&self.0.requests).known(&self.1).is_answered = true;
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let mut requests = locked(&self.0.requests);
        requests.known(&self.1).calls -= 1;
        requests.forget_if_over(&self.1);
    }
}

/// A task is being had for a request.
pub(super) struct Attempt(Arc<Offers>, String);

impl Attempt {
    /// There is one.
    pub(super) fn came_to(self, claimed: Claimed) -> Offer {
        Offer {
            attempt: self,
            claimed: Some(Box::new(claimed)),
        }
    }

    /// Whether a claim must be given back: nobody else has it or asks for it.
    fn begins_to_leave(&self) -> bool {
        let mut requests = locked(&self.0.requests);
        let request = requests.known(&self.1);
        let is_wanted = request.calls > 0 || request.is_answered;
        !is_wanted && requests.leaving.insert(self.1.clone())
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut requests = locked(&self.0.requests);
        requests.known(&self.1).attempts -= 1;
        requests.forget_if_over(&self.1);
    }
}

/// A claim that was made for somebody.
pub(super) struct Offer {
    attempt: Attempt,
    claimed: Option<Box<Claimed>>,
}

impl Offer {
    /// Whoever asked has it.
    pub(super) fn accept(mut self) -> Option<Claimed> {
        self.claimed.take().map(|claimed| *claimed)
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        let Some(claimed) = self.claimed.take() else {
            return;
        };
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.attempt.begins_to_leave() {
            let (offers, request_id) = (self.attempt.0.clone(), self.attempt.1.clone());
            runtime.spawn(async move { offers.give_back(&request_id, &claimed).await });
        }
    }
}
