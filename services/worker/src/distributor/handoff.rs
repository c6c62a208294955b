//! Claims on their way to the calls that asked for them.
//!
//! The client of a call may hang up meanwhile. A claim that no call accepts is given back, unless the same request came
//! again meanwhile, which finds the claim by itself.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use shim_runtime::background::BackgroundTasks;
use shim_store::tasks::Claimed;
use shim_store::{Error, IdempotencyKey, Store};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::lock::locked;

/// What a waiter gets.
pub(super) type ClaimResult = Result<ClaimAnswer, Error>;

/// The answer to a waiter.
pub(super) enum ClaimAnswer {
    /// A task was claimed for it.
    Handoff(Handoff),
    /// Its request made a claim before; the call looks for that by itself.
    Repeated,
}

/// Knows the requests that calls wait for, and the claims that are being given back.
pub(super) struct PendingClaims {
    store: Store,
    background: BackgroundTasks,
    requests: Mutex<Requests>,
    released: Notify,
}

#[derive(Default)]
struct Requests {
    /// By id.
    by_id: HashMap<String, Request>,
    /// Ids of requests whose claims are being given back.
    releasing: HashSet<String>,
}

/// A request, as long as a call or an attempt belongs to it.
#[derive(Default)]
struct Request {
    /// Calls that wait.
    calls: usize,
    /// Attempts to claim a task for it, and their claims until a call accepted them.
    attempts: usize,
    /// A call was answered with the claim.
    is_answered: bool,
}

impl PendingClaims {
    pub(super) fn new(store: Store, background: BackgroundTasks) -> Self {
        Self {
            store,
            background,
            requests: Mutex::default(),
            released: Notify::new(),
        }
    }

    /// Begins a call of a request, for as long as the guard lives. Before it begins, a claim that an earlier call did not
    /// accept was given back.
    pub(super) async fn begin_call(self: &Arc<Self>, request_id: &str) -> CallGuard {
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            released.as_mut().enable();
            {
                let mut requests = locked(&self.requests);
                if !requests.releasing.contains(request_id) {
                    requests.entry(request_id).calls += 1;
                    return CallGuard(self.clone(), request_id.to_owned());
                }
            }
            released.await;
        }
    }

    /// Begins to claim a task for a request.
    pub(super) fn begin_attempt(self: &Arc<Self>, request_id: &str) -> ClaimAttempt {
        locked(&self.requests).entry(request_id).attempts += 1;
        ClaimAttempt(self.clone(), request_id.to_owned())
    }

    async fn release(&self, request_id: &str, claimed: &Claimed) {
        let (id, idempotency_key) = (&claimed.task.task_id, IdempotencyKey::fresh());
        let why = "its worker did not wait for it";
        let tasks = &self.store.tasks;
        if let Err(error) = tasks
            .release(&idempotency_key, id, claimed.lease, why)
            .await
        {
            tracing::warn!(%error, task = id, "a task stays with a worker that left");
        }
        locked(&self.requests).releasing.remove(request_id);
        self.released.notify_waiters();
    }
}

impl Requests {
    fn entry(&mut self, id: &str) -> &mut Request {
        self.by_id.entry(id.to_owned()).or_default()
    }

    fn remove_if_over(&mut self, id: &str) {
        let is_over = |request: &Request| request.calls == 0 && request.attempts == 0;
        if self.by_id.get(id).is_some_and(is_over) {
            self.by_id.remove(id);
        }
    }
}

/// A call that waits.
pub(super) struct CallGuard(Arc<PendingClaims>, String);

impl CallGuard {
    /// Records that the call is answered with the claim.
    pub(super) fn mark_answered(&self) {
        locked(&self.0.requests).entry(&self.1).is_answered = true;
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        let mut requests = locked(&self.0.requests);
        requests.entry(&self.1).calls -= 1;
        requests.remove_if_over(&self.1);
    }
}

/// An attempt to claim a task for a request.
pub(super) struct ClaimAttempt(Arc<PendingClaims>, String);

impl ClaimAttempt {
    /// The attempt succeeded.
    pub(super) fn into_handoff(self, claimed: Claimed) -> Handoff {
        Handoff {
            attempt: self,
            claimed: Some(Box::new(claimed)),
        }
    }

    /// Whether the claim must be given back: no call got it or waits for it.
    fn begin_release(&self) -> bool {
        let mut requests = locked(&self.0.requests);
        let request = requests.entry(&self.1);
        let is_wanted = request.calls > 0 || request.is_answered;
        !is_wanted && requests.releasing.insert(self.1.clone())
    }
}

impl Drop for ClaimAttempt {
    fn drop(&mut self) {
        let mut requests = locked(&self.0.requests);
        requests.entry(&self.1).attempts -= 1;
        requests.remove_if_over(&self.1);
    }
}

/// A claim for a request, until a call accepts it.
pub(super) struct Handoff {
    attempt: ClaimAttempt,
    claimed: Option<Box<Claimed>>,
}

impl Handoff {
    /// Takes the claim for a call, which answers with it.
    pub(super) fn accept(mut self) -> Option<Box<Claimed>> {
        self.claimed.take()
    }
}

impl Drop for Handoff {
    fn drop(&mut self) {
        let Some(claimed) = self.claimed.take() else {
            return;
        };
        if Handle::try_current().is_err() || !self.attempt.begin_release() {
            return;
        }
        let (pending_claims, request_id) = (self.attempt.0.clone(), self.attempt.1.clone());
        let background = pending_claims.background.clone();
        background.spawn_contained("claim_release", async move {
            pending_claims.release(&request_id, &claimed).await;
        });
    }
}
