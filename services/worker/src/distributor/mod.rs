//! The distributor: workers that wait for a task are matched with tasks that wait for a worker.
//!
//! Those who wait are kept in this process. It looks when a task became ready, when a worker comes to wait, and ten times
//! a second; each look matches as many as it can. That exactly one worker gets a task is the store's business.

mod lookout;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use shim_proto::coordination::v1::{Worker, WorkerKind};
use shim_runtime::lifecycle::Shutdown;
use shim_store::tasks::{Claimed, Claimer, Head, fits};
use shim_store::{Error, Once, Store};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::domain::assignment::{Candidate, Waiting, assign};
use lookout::Lookout;

/// Tasks looked at for one match, of each queue.
const MOST_HEADS: usize = 64;
/// With other processes beside it, one whose best worker is busier lets the others look first: so long for each task the
/// worker has, and no longer than the second.
const HESITATION: Duration = Duration::from_millis(2);
const LONGEST_HESITATION: Duration = Duration::from_millis(20);

/// What a worker got.
type Answer = Result<Claimed, Error>;

/// Matches workers and tasks. Clones share those who wait.
#[derive(Clone)]
pub(crate) struct Distributor {
    store: Store,
    desk: Arc<Waitroom>,
    shutdown: Shutdown,
}

/// Those who wait.
#[derive(Default)]
struct Waitroom {
    waiters: Mutex<Vec<Waiter>>,
    arrived: Notify,
    /// When each worker got its last task, by a count of all that were given.
    assigned: Mutex<HashMap<String, u64>>,
}

struct Waiter {
    ticket: Uuid,
    worker: Worker,
    running: u32,
    claimer: Claimer,
    answer: oneshot::Sender<Answer>,
}

impl Distributor {
    /// Starts matching, until the shutdown.
    pub(crate) fn start(store: Store, shutdown: Shutdown) -> Self {
        let distributor = Self {
            store,
            desk: Arc::default(),
            shutdown: shutdown.clone(),
        };
        let matching = distributor.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = matching.run() => {}
                () = shutdown.wait() => {}
            }
        });
        distributor
    }

    /// Waits for a task at most so long. The same request gets the same task while its claim stands.
    ///
    /// # Errors
    /// `StaleWorker`, `NoRoom`, `RequestIdReused`, or as the store fails.
    pub(crate) async fn claim(
        &self,
        worker: &Worker,
        once: Option<Once>,
        wait: Duration,
    ) -> Result<Option<Claimed>, Error> {
        let claimer = claimer(worker, once);
        let tasks = &self.store.tasks;
        let before = async {
            match claimer.once {
                Some(_) => tasks.claimed_before(&claimer).await,
                None => Ok(None),
            }
        };
        let (before, running) = tokio::try_join!(before, tasks.running(&worker.worker_id))?;
        if before.is_some() {
            return Ok(before);
        }
        if running >= worker.capacity {
            return Err(Error::NoRoom(worker.worker_id.clone()));
        }
        self.wait(worker, running, claimer, stop_after(wait)).await
    }

    /// The same for a worker of this process, which asks once and may stop waiting at any time.
    ///
    /// # Errors
    /// As [`Distributor::claim`].
    pub(crate) async fn claim_until(
        &self,
        worker: &Worker,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Option<Claimed>, Error> {
        let claimer = claimer(worker, None);
        let running = self.store.tasks.running(&worker.worker_id).await?;
        let stop = async {
            tokio::select! {
                () = stop_after(wait) => {}
                () = stop.cancelled() => {}
            }
        };
        self.wait(worker, running, claimer, stop).await
    }

    async fn wait(
        &self,
        worker: &Worker,
        running: u32,
        claimer: Claimer,
        stop: impl Future<Output = ()>,
    ) -> Result<Option<Claimed>, Error> {
        let (answer, mut answered) = oneshot::channel();
        let ticket = Uuid::now_v7();
        // Whoever is dropped here waits no more.
        let _place = Place(self.desk.clone(), ticket);
        locked(&self.desk.waiters).push(Waiter {
            ticket,
            worker: worker.clone(),
            running,
            claimer,
            answer,
        });
        self.desk.arrived.notify_one();
        tokio::select! {
            answer = &mut answered => return given(answer),
            () = stop => if self.desk.leave(ticket) { return Ok(None) },
            () = self.shutdown.wait() => if self.desk.leave(ticket) { return Err(Error::Stopping) },
        }
        // A task is being had for it at this moment, which takes no longer than Redis may.
        given(answered.await)
    }

    async fn run(self) {
        let mut lookout = Lookout::new(self.store.clone());
        loop {
            lookout.until_something_happens(&self.desk.arrived).await;
            while self.match_once(&mut lookout).await {}
        }
    }

    /// Matches those who wait with what waits; tells whether to look again at once.
    async fn match_once(&self, lookout: &mut Lookout) -> bool {
        let waiting = self.desk.who();
        if waiting.is_empty() {
            return false;
        }
        let queues = lookout.queues().await;
        let wanted: Vec<&str> = queues
            .iter()
            .filter(|class| waiting.iter().any(|w| w.fits(&class.requirements)))
            .map(|class| class.name.as_str())
            .collect();
        let most = waiting.len().min(MOST_HEADS);
        let heads = match self.store.tasks.heads(&wanted, most).await {
            Ok(heads) => heads,
            Err(error) => {
                tracing::debug!(%error, "those who wait for tasks wait on");
                return false;
            }
        };
        let fits = |queue: &str, worker: usize| {
            let class = queues.iter().find(|class| class.name == queue);
            class.is_some_and(|class| waiting[worker].fits(&class.requirements))
        };
        let matches = self.choose(&heads, &waiting, fits);
        if matches.is_empty() {
            return false;
        }
        let attempts = matches.into_iter().filter_map(|(head, worker)| {
            let waiter = self.desk.call(waiting[worker].ticket)?;
            Some(self.attempt(&heads[head].queue, waiter))
        });
        join_all(attempts).await.into_iter().any(|got| got)
    }

    fn choose(
        &self,
        heads: &[Head],
        waiting: &[Seen],
        fits: impl Fn(&str, usize) -> bool,
    ) -> Vec<(usize, usize)> {
        let tasks: Vec<_> = heads
            .iter()
            .map(|head| Waiting {
                queue: &head.queue,
                strategy: head.strategy,
                near: &head.near,
            })
            .collect();
        let candidates: Vec<_> = waiting.iter().map(|seen| seen.candidate.clone()).collect();
        assign(&tasks, &candidates, fits)
    }

    /// Has a task for a worker; one that comes to nothing puts the worker back.
    async fn attempt(&self, queue: &str, waiter: Waiter) -> bool {
        tokio::time::sleep(hesitation(waiter.running)).await;
        match self.store.tasks.take(queue, &waiter.claimer).await {
            Ok(Some(claimed)) => {
                self.desk.assign(&waiter.worker.worker_id);
                self.hand_over(waiter.answer, claimed).await;
                true
            }
            Ok(None) => {
                self.desk.put_back(waiter);
                false
            }
            Err(error) => {
                let _ = waiter.answer.send(Err(error));
                false
            }
        }
    }

    /// A worker that left meanwhile gets nothing; the task goes to another.
    async fn hand_over(&self, answer: oneshot::Sender<Answer>, claimed: Claimed) {
        let Err(Ok(claimed)) = answer.send(Ok(claimed)) else {
            return;
        };
        let once = Once::anew();
        let id = &claimed.task.task_id;
        let why = "its worker did not wait for it";
        if let Err(error) = self
            .store
            .tasks
            .release(&once, id, claimed.lease, why)
            .await
        {
            tracing::warn!(%error, task = id, "a task stays with a worker that left");
        }
    }
}

/// Even who does not want to wait gets what is there.
const FIRST_LOOK: Duration = Duration::from_millis(50);

async fn stop_after(wait: Duration) {
    tokio::time::sleep(wait.max(FIRST_LOOK)).await;
}

fn claimer(worker: &Worker, once: Option<Once>) -> Claimer {
    Claimer {
        worker_id: worker.worker_id.clone(),
        epoch: worker.epoch,
        session_id: worker.session_id.clone(),
        capacity: worker.capacity,
        once,
    }
}

fn given(answer: Result<Answer, oneshot::error::RecvError>) -> Result<Option<Claimed>, Error> {
    match answer {
        Ok(answer) => answer.map(Some),
        Err(_) => Err(Error::Stopping),
    }
}

fn hesitation(running: u32) -> Duration {
    (HESITATION * running).min(LONGEST_HESITATION)
}

/// A waiting worker as it is looked at.
struct Seen {
    ticket: Uuid,
    kind: WorkerKind,
    capabilities: Vec<String>,
    candidate: Candidate,
}

impl Seen {
    fn fits(&self, requirements: &shim_proto::coordination::v1::Requirements) -> bool {
        fits(requirements, self.kind, &self.capabilities)
    }
}

impl Waitroom {
    fn who(&self) -> Vec<Seen> {
        let assigned = locked(&self.assigned);
        let mut waiters = locked(&self.waiters);
        waiters.retain(|waiter| !waiter.answer.is_closed());
        let seen = waiters.iter().map(|waiter| Seen {
            ticket: waiter.ticket,
            kind: waiter.worker.kind(),
            capabilities: waiter.worker.capabilities.clone(),
            candidate: Candidate {
                worker_id: waiter.worker.worker_id.clone(),
                running: waiter.running,
                capacity: waiter.worker.capacity,
                capabilities: waiter.worker.capabilities.len(),
                last_assigned: assigned.get(&waiter.worker.worker_id).copied().unwrap_or(0),
            },
        });
        seen.collect()
    }

    /// Takes one out, to have a task for it.
    fn call(&self, ticket: Uuid) -> Option<Waiter> {
        let mut waiters = locked(&self.waiters);
        let place = waiters.iter().position(|waiter| waiter.ticket == ticket)?;
        Some(waiters.swap_remove(place))
    }

    fn put_back(&self, waiter: Waiter) {
        locked(&self.waiters).push(waiter);
    }

    /// Whether it was still waiting.
    fn leave(&self, ticket: Uuid) -> bool {
        self.call(ticket).is_some()
    }

    fn assign(&self, worker_id: &str) {
        let mut assigned = locked(&self.assigned);
        let count = assigned.values().max().copied().unwrap_or(0) + 1;
        // Workers come and go; those whose turn is longest ago are like new ones.
        if assigned.len() > 10_000 {
            assigned.retain(|_, last| *last + 5_000 > count);
        }
        assigned.insert(worker_id.to_owned(), count);
    }
}

/// Someone's place among those who wait.
struct Place(Arc<Waitroom>, Uuid);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.leave(self.1);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
