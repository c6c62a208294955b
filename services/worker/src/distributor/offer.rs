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
    /// How many calls ask with an id.
    asking: HashMap<String, usize>,
    /// Ids of those whose claims are being given back.
    leaving: HashSet<String>,
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
                    *requests.asking.entry(request_id.to_owned()).or_default() += 1;
                    return Asking(self.clone(), request_id.to_owned());
                }
            }
            given_back.await;
        }
    }

    /// A claim for a request.
    pub(super) fn offer(self: &Arc<Self>, request_id: &str, claimed: Claimed) -> Offer {
        Offer {
            offers: self.clone(),
            request_id: request_id.to_owned(),
            claimed: Some(Box::new(claimed)),
        }
    }

    /// Whether a claim must be given back: nobody else asks for it.
    fn begins_to_leave(&self, request_id: &str) -> bool {
        let mut requests = locked(&self.requests);
        let is_asked_for = requests.asking.contains_key(request_id);
        !is_asked_for && requests.leaving.insert(request_id.to_owned())
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

/// A call that asks.
pub(super) struct Asking(Arc<Offers>, String);

impl Drop for Asking {
    fn drop(&mut self) {
        let mut requests = locked(&self.0.requests);
        if let Some(count) = requests.asking.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                requests.asking.remove(&self.1);
            }
        }
    }
}

/// A claim that was made for somebody.
pub(super) struct Offer {
    offers: Arc<Offers>,
    request_id: String,
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
        if self.offers.begins_to_leave(&self.request_id) {
            let (offers, request_id) = (self.offers.clone(), self.request_id.clone());
            runtime.spawn(async move { offers.give_back(&request_id, &claimed).await });
        }
    }
}
