//! The distributor: workers that wait for a task are matched with tasks that wait for a worker.
//!
//! Those who wait are kept in this process. It looks when a task became ready, when a worker comes to wait, and twenty
//! times a second; each look matches as many as it can. That exactly one worker gets a task is the store's business.
//! While Redis is away those who wait already wait on; whoever comes then is told so within a second.

mod handoff;
mod matching;
mod triggers;
mod wait_queue;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shim_proto::coordination::v1::Worker;
use shim_runtime::lifecycle::Shutdown;
use shim_store::tasks::{Claimed, Claimer};
use shim_store::{Error, IdempotencyKey, Store};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use handoff::{HandoffResult, PendingClaims};
use matching::Matcher;
use wait_queue::{WaitQueue, Waiter};

/// Who does not want to wait gets what is there all the same; a look takes no longer than this.
const ROUND_TIMEOUT: Duration = Duration::from_secs(1);

/// Matches workers and tasks. Clones share those who wait.
#[derive(Clone)]
pub(crate) struct Distributor {
    store: Store,
    wait_queue: Arc<WaitQueue>,
    pending_claims: Arc<PendingClaims>,
    shutdown: Shutdown,
    matching: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Distributor {
    /// Starts matching, until the shutdown.
    pub(crate) fn start(store: Store, shutdown: Shutdown) -> Self {
        let wait_queue: Arc<WaitQueue> = Arc::default();
        let pending_claims = Arc::new(PendingClaims::new(store.clone()));
        let matching = Matcher::new(store.clone(), wait_queue.clone(), pending_claims.clone());
        let matching = tokio::spawn(matching.run(shutdown.clone()));
        Self {
            store,
            wait_queue,
            pending_claims,
            shutdown,
            matching: Arc::new(Mutex::new(Some(matching))),
        }
    }

    /// Waits, after the shutdown, until nothing is being had for anybody any more.
    pub(crate) async fn finish(&self) {
        let matching = locked(&self.matching).take();
        if let Some(matching) = matching
            && let Err(error) = matching.await
        {
            tracing::error!(%error, "the matching of workers and tasks failed");
        }
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
        // Its guard is dropped before the channel with what may be in that, which is nobody's then.
        let call_guard = self
            .pending_claims
            .begin_call(&idempotency_key.request_id)
            .await;
        let claimer = claimer(worker, idempotency_key.clone());
        let tasks = &self.store.tasks;
        let (before, running) = tokio::try_join!(
            tasks.claimed_before(&claimer),
            tasks.running(&worker.worker_id)
        )?;
        let claimed = match before {
            Some(claimed) => Some(claimed),
            None if running >= worker.capacity => {
                return Err(Error::NoRoom(worker.worker_id.clone()));
            }
            None => {
                let waiter = Waiter::new(worker, idempotency_key, answer);
                match self.wait(waiter, &mut answered, sleep(wait)).await? {
                    Some(claimed) => Some(claimed),
                    // A call with the same id that was given up meanwhile may have left its task to this one.
                    None => tasks.claimed_before(&claimer).await?,
                }
            }
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
        let waiter = Waiter::new(worker, idempotency_key, answer);
        self.wait(waiter, &mut answered, stop).await
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
            .claimed_before(&claimer(worker, idempotency_key))
            .await
    }

    async fn wait(
        &self,
        waiter: Waiter,
        answered: &mut oneshot::Receiver<HandoffResult>,
        stop: impl Future<Output = ()>,
    ) -> Result<Option<Claimed>, Error> {
        // Whoever is dropped here waits no more.
        let guard = self.wait_queue.add(waiter);
        let stop = async {
            stop.await;
            // Nobody leaves before the room was looked at with it in there.
            let _ = timeout(
                ROUND_TIMEOUT,
                self.wait_queue.round_ended(guard.round_number),
            )
            .await;
        };
        let nothing = tokio::select! {
            answer = &mut *answered => return claimed_of(answer, Err(Error::Stopping)),
            () = stop => Ok(None),
            () = self.shutdown.wait() => Err(Error::Stopping),
        };
        if guard.withdraw() {
            return nothing;
        }
        // A task is being had for it at this moment, which takes no longer than Redis may.
        claimed_of(answered.await, nothing)
    }
}

fn claimer(worker: &Worker, idempotency_key: IdempotencyKey) -> Claimer {
    Claimer {
        worker_id: worker.worker_id.clone(),
        epoch: worker.epoch,
        kind: worker.kind(),
        session_id: worker.session_id.clone(),
        capacity: worker.capacity,
        idempotency_key: Some(idempotency_key),
    }
}

/// What came of waiting; `nothing` if it came to nothing.
fn claimed_of(
    answer: Result<HandoffResult, oneshot::error::RecvError>,
    nothing: Result<Option<Claimed>, Error>,
) -> Result<Option<Claimed>, Error> {
    match answer {
        Ok(Ok(handoff)) => Ok(handoff.accept()),
        Ok(Err(error)) => Err(error),
        Err(_) => nothing,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
