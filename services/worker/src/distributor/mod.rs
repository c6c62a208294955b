//! The distributor: workers that wait for a task are matched with tasks that wait for a worker.
//!
//! The waiting workers are kept in this process. A round begins when a task becomes ready, when a worker arrives, and twenty
//! times a second while one waits; it matches as many as it can. The store's claim makes sure that one worker gets a task. A claim without
//! files takes four round trips to Redis: the registry's record of the worker, the heads of the queues, BullMQ's job and
//! the claim. While Redis is away the waiting workers wait on; a new call fails within a second.

#[cfg(test)]
mod claim_cost;
mod claimer;
mod fitting_workers;
mod handoff;
mod lock;
mod matching;
mod triggers;
mod wait_queue;

use std::sync::Arc;
use std::time::Duration;

use shim_proto::coordination::v1::Worker;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::lifecycle::Shutdown;
use shim_store::tasks::Claimed;
use shim_store::{Error, IdempotencyKey, Store};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use claimer::claimer;
use handoff::{ClaimAnswer, ClaimResult, PendingClaims};
use matching::Matcher;
use wait_queue::{EntryCheck, WaitQueue, Waiter};

/// A call that does not want to wait gets a task that is there all the same; a round takes no longer than this.
const ROUND_TIMEOUT: Duration = Duration::from_secs(1);

/// Matches workers and tasks. Clones share the waiting workers.
#[derive(Clone)]
pub(crate) struct Distributor {
    store: Store,
    wait_queue: Arc<WaitQueue>,
    pending_claims: Arc<PendingClaims>,
    shutdown: Shutdown,
    background: BackgroundTasks,
}

/// What a waiter got.
enum Waited {
    Claimed(Box<Claimed>),
    /// Its request made a claim before.
    Repeated,
}

impl Distributor {
    /// Starts matching, until the shutdown.
    pub(crate) fn start(store: Store, shutdown: Shutdown) -> Self {
        let background = BackgroundTasks::new("distributor", &shutdown);
        let wait_queue: Arc<WaitQueue> = Arc::default();
        let pending_claims = Arc::new(PendingClaims::new(store.clone(), background.clone()));
        let distributor = Self {
            store,
            wait_queue,
            pending_claims,
            shutdown,
            background,
        };
        let matched = distributor.clone();
        distributor
            .background
            .spawn_restarting("task_matching", move || {
                let (wait_queue, pending) = (&matched.wait_queue, &matched.pending_claims);
                Matcher::new(matched.store.clone(), wait_queue.clone(), pending.clone())
                    .run(matched.shutdown.clone())
            });
        distributor
    }

    /// Waits, after the shutdown, until no claim is in flight any more.
    pub(crate) async fn finish(&self) {
        self.background.finish().await;
    }

    /// Waits for a task at most so long. The same request gets the same task while its claim stands.
    ///
    /// # Errors
    /// `StaleWorker`, `NoRoom`, `RequestIdReused`, `Stopping`, or as the store fails.
    pub(crate) async fn claim(
        &self,
        worker: &Worker,
        idempotency_key: IdempotencyKey,
        wait: Duration,
    ) -> Result<Option<Claimed>, Error> {
        let (answer, mut answered) = oneshot::channel();
        // The guard is dropped before the channel: a claim that lies in the channel has no call then, and is given back.
        let call_guard = self
            .pending_claims
            .begin_call(&idempotency_key.request_id)
            .await;
        let claimed = match self
            .wait_checked(worker, &idempotency_key, wait, (answer, &mut answered))
            .await?
        {
            Some(claimed) => Some(claimed),
            // A call with the same id that was given up meanwhile may have left its task to this one.
            None => self.claimed_before(worker, idempotency_key).await?,
        };
        if claimed.is_some() {
            call_guard.mark_answered();
        }
        Ok(claimed)
    }

    /// The same for a worker of this process, which knows its room and may stop waiting at any time.
    ///
    /// # Errors
    /// As [`Distributor::claim`].
    pub(crate) async fn claim_until(
        &self,
        worker: &Worker,
        idempotency_key: IdempotencyKey,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Option<Claimed>, Error> {
        let stop = async {
            tokio::select! {
                () = sleep(wait) => {}
                () = stop.cancelled() => {}
            }
        };
        let (answer, mut answered) = oneshot::channel();
        let waiter = Waiter::new(worker, idempotency_key, EntryCheck::Nothing, answer)?;
        Ok(match self.wait(waiter, &mut answered, stop).await? {
            Some(Waited::Claimed(claimed)) => Some(*claimed),
            Some(Waited::Repeated) | None => None,
        })
    }

    /// What an earlier call of a worker of this process got, whose answer was lost.
    ///
    /// # Errors
    /// As the store fails.
    pub(crate) async fn claimed_before(
        &self,
        worker: &Worker,
        idempotency_key: IdempotencyKey,
    ) -> Result<Option<Claimed>, Error> {
        let tasks = &self.store.tasks;
        tasks
            .claimed_before(&claimer(worker, idempotency_key)?)
            .await
    }

    /// Waits for a task, after the first round checked the request and the worker's room. `answered` stays the caller's, so
    /// that it outlives this call.
    async fn wait_checked(
        &self,
        worker: &Worker,
        idempotency_key: &IdempotencyKey,
        wait: Duration,
        (answer, answered): (
            oneshot::Sender<ClaimResult>,
            &mut oneshot::Receiver<ClaimResult>,
        ),
    ) -> Result<Option<Claimed>, Error> {
        let waiter = |check, answer| Waiter::new(worker, idempotency_key.clone(), check, answer);
        let deadline = sleep(wait);
        tokio::pin!(deadline);
        let first = waiter(EntryCheck::RequestAndRoom, answer)?;
        let mut waited = self.wait(first, answered, deadline.as_mut()).await?;
        if let Some(Waited::Repeated) = waited {
            let claimed = self.claimed_before(worker, idempotency_key.clone());
            if let Some(claimed) = claimed.await? {
                return Ok(Some(claimed));
            }
            // The claim made before is over: the request is as good as new.
            let (answer, again) = oneshot::channel();
            *answered = again;
            let second = waiter(EntryCheck::Room, answer)?;
            waited = self.wait(second, answered, deadline.as_mut()).await?;
        }
        Ok(match waited {
            Some(Waited::Claimed(claimed)) => Some(*claimed),
            Some(Waited::Repeated) | None => None,
        })
    }

    async fn wait(
        &self,
        waiter: Waiter,
        answered: &mut oneshot::Receiver<ClaimResult>,
        stop: impl Future<Output = ()>,
    ) -> Result<Option<Waited>, Error> {
        // A waiter that is dropped here waits no more.
        let guard = self.wait_queue.add(waiter);
        let stop = async {
            stop.await;
            // No waiter leaves before a round saw it.
            let _ = timeout(
                ROUND_TIMEOUT,
                self.wait_queue.round_ended(guard.round_number),
            )
            .await;
        };
        let nothing = tokio::select! {
            answer = &mut *answered => return waited(answer, Err(Error::Stopping)),
            () = stop => Ok(None),
            () = self.shutdown.wait() => Err(Error::Stopping),
        };
        if guard.withdraw() {
            return nothing;
        }
        // A claim is in flight for it, which takes no longer than Redis may.
        waited(answered.await, nothing)
    }
}

/// What came of waiting; `nothing` if the channel ended without an answer.
fn waited(
    answer: Result<ClaimResult, oneshot::error::RecvError>,
    nothing: Result<Option<Waited>, Error>,
) -> Result<Option<Waited>, Error> {
    match answer {
        Ok(Ok(ClaimAnswer::Handoff(handoff))) => Ok(handoff.accept().map(Waited::Claimed)),
        Ok(Ok(ClaimAnswer::Repeated)) => Ok(Some(Waited::Repeated)),
        Ok(Err(error)) => Err(error),
        Err(_) => nothing,
    }
}
