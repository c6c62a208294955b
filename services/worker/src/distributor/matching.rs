//! Matching: rounds that look at the waiting workers and the waiting tasks, and claim for each worker the task that suits it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use shim_runtime::lifecycle::Shutdown;
use shim_store::tasks::{Class, QueueHead, WaitingWorkers};
use shim_store::{Error, Store};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::fitting_workers::FittingWorkers;
use super::handoff::{ClaimAnswer, PendingClaims};
use super::triggers::{QueueNotifications, Triggers};
use super::wait_queue::{WaitQueue, Waiter, WaiterSnapshot};
use crate::domain::assignment::{Candidate, ReadyTask, assign, head_start};

/// Tasks of each queue that a round looks at.
const MAX_HEADS: usize = 64;
/// How long a process that lost a task to another knows that there are others.
const CONTESTED_FOR: Duration = Duration::from_secs(10);
/// Workers whose loads every look asks for. Of a larger crowd they are asked for only when a task waits.
const MAX_LOADS_EACH_LOOK: usize = 256;
/// Loads that one call asks for.
const LOADS_AT_ONCE: usize = 1_000;

/// Matches until the shutdown.
pub(super) struct Matcher {
    store: Store,
    wait_queue: Arc<WaitQueue>,
    pending_claims: Arc<PendingClaims>,
    fitting_workers: FittingWorkers,
    /// When another process was faster last.
    contested_at: Option<Instant>,
}

/// What the round that goes on learned.
#[derive(Default)]
struct MatchRound {
    /// Queues whose first tasks could not be claimed: others were faster, or the queue is paused.
    exhausted: HashSet<String>,
}

/// What one look at the store saw.
#[derive(Default)]
struct Look {
    heads: Vec<QueueHead>,
    /// How many tasks each worker runs, by its id.
    loads: HashMap<String, u32>,
    /// The waiters whose requests made a claim before.
    repeated: HashSet<Uuid>,
}

impl Matcher {
    pub(super) fn new(
        store: Store,
        wait_queue: Arc<WaitQueue>,
        pending_claims: Arc<PendingClaims>,
    ) -> Self {
        Self {
            fitting_workers: FittingWorkers::new(store.clone()),
            store,
            wait_queue,
            pending_claims,
            contested_at: None,
        }
    }

    /// At the shutdown, claims in flight are handed over first.
    pub(super) async fn run(mut self, shutdown: Shutdown) {
        let (store, wait_queue, notifications) = (
            self.store.clone(),
            self.wait_queue.clone(),
            QueueNotifications::default(),
        );
        let mut triggers = Triggers::new(&store, &notifications);
        let matching = async {
            while !shutdown.is_begun() {
                tokio::select! {
                    () = triggers.wait(&wait_queue) => {}
                    () = shutdown.wait() => return,
                }
                let round_number = wait_queue.begin_round();
                let mut round = MatchRound::default();
                while self.match_once(&mut triggers, &mut round).await {}
                wait_queue.end_round(round_number);
            }
        };
        tokio::select! {
            () = matching => {}
            () = notifications.listen(&store) => {}
        }
    }

    /// Matches waiting workers with waiting tasks; returns whether to look again at once.
    async fn match_once(&mut self, triggers: &mut Triggers<'_>, round: &mut MatchRound) -> bool {
        let waiting = self.wait_queue.snapshots();
        if waiting.is_empty() {
            return false;
        }
        let queues = triggers.queues().await;
        let wanted = wanted_queues(&waiting, queues, round);
        let look = match self.look(&waiting, &wanted).await {
            Ok(look) => look,
            Err(error) => {
                tracing::debug!(%error, "workers wait on for tasks");
                return false;
            }
        };
        let waiting = self.check_new(waiting, &look);
        if look.heads.is_empty() {
            return false;
        }
        let heads = &look.heads;
        let waiting = with_free_slots(waiting, look.loads);
        let fitting = self.fitting_workers.count(heads, queues).await;
        let matches = choose(heads, &waiting, queues, &fitting);
        if matches.is_empty() {
            return false;
        }
        let attempts = matches
            .into_iter()
            .map(|(head, worker)| (&heads[head], &waiting[worker]));
        let exhausted = self.claim_all(attempts).await;
        if !exhausted.is_empty() {
            self.contested_at = Some(Instant::now());
        }
        round.exhausted.extend(exhausted);
        true
    }

    /// Claims for each matched worker; returns the queues that held nothing.
    async fn claim_all<'a>(
        &self,
        matches: impl Iterator<Item = (&'a QueueHead, &'a WaiterSnapshot)>,
    ) -> Vec<String> {
        let is_contested = self
            .contested_at
            .is_some_and(|at| at.elapsed() < CONTESTED_FOR);
        let attempts = matches.filter_map(|(head, seen)| {
            let waiter = self.wait_queue.take(seen.ticket)?;
            let delay = is_contested.then(|| head_start(&seen.candidate(), &head.near));
            Some(self.attempt(&head.queue, waiter, delay))
        });
        let attempts: Vec<_> = attempts.collect();
        let exhausted = join_all(attempts).await.into_iter().flatten();
        exhausted.map(str::to_owned).collect()
    }

    /// Looks at the heads of the wanted queues and at the waiting workers, in one call for all but large crowds.
    async fn look(&self, waiting: &[WaiterSnapshot], wanted: &[&str]) -> Result<Look, Error> {
        if wanted.is_empty() && !waiting.iter().any(WaiterSnapshot::is_new) {
            return Ok(Look::default());
        }
        let all: HashSet<&str> = waiting.iter().map(WaiterSnapshot::worker_id).collect();
        let asked: HashSet<&str> = if all.len() <= MAX_LOADS_EACH_LOOK {
            all.clone()
        } else {
            let new = waiting.iter().filter(|seen| seen.is_new());
            new.map(WaiterSnapshot::worker_id).collect()
        };
        let worker_ids: Vec<&str> = asked.iter().copied().collect();
        let (tickets, request_ids): (Vec<Uuid>, Vec<&str>) = waiting
            .iter()
            .filter_map(|seen| Some((seen.ticket, seen.request_id.as_deref()?)))
            .unzip();
        let workers = WaitingWorkers {
            worker_ids: &worker_ids,
            request_ids: &request_ids,
        };
        let most = waiting.len().min(MAX_HEADS);
        let found = self.store.tasks.heads(wanted, most, workers).await?;
        let repeated = found.repeated.iter();
        let mut look = Look {
            repeated: repeated
                .filter_map(|at| tickets.get(*at).copied())
                .collect(),
            heads: found.heads,
            loads: HashMap::with_capacity(all.len()),
        };
        look.add_loads(&worker_ids, &found.loads);
        if !look.heads.is_empty() {
            let others: Vec<&str> = all.difference(&asked).copied().collect();
            self.ask_loads(&mut look, &others).await?;
        }
        Ok(look)
    }

    async fn ask_loads(&self, look: &mut Look, worker_ids: &[&str]) -> Result<(), Error> {
        for worker_ids in worker_ids.chunks(LOADS_AT_ONCE) {
            let workers = WaitingWorkers {
                worker_ids,
                request_ids: &[],
            };
            let found = self.store.tasks.heads(&[], 0, workers).await?;
            look.add_loads(worker_ids, &found.loads);
        }
        Ok(())
    }

    /// Answers the waiters that this is the first look for, if their requests made a claim before or their workers have no
    /// room; returns the others.
    fn check_new(&self, waiting: Vec<WaiterSnapshot>, look: &Look) -> Vec<WaiterSnapshot> {
        let mut checked = HashSet::new();
        let mut others = Vec::with_capacity(waiting.len());
        for seen in waiting {
            if !seen.is_new() {
                others.push(seen);
                continue;
            }
            let running = look.loads.get(seen.worker_id()).copied().unwrap_or(0);
            let answer = if look.repeated.contains(&seen.ticket) {
                Ok(ClaimAnswer::Repeated)
            } else if running >= seen.capacity() {
                Err(Error::NoRoom(seen.worker_id().to_owned()))
            } else {
                checked.insert(seen.ticket);
                others.push(seen);
                continue;
            };
            if let Some(waiter) = self.wait_queue.take(seen.ticket) {
                // The call of a waiter may be over.
                let _ = waiter.answer.send(answer);
            }
        }
        self.wait_queue.mark_checked(&checked);
        others
    }

    /// Claims a task for a worker, after other processes had their head start; a worker that gets none is put back. Returns
    /// the queue if no task of it could be claimed.
    async fn attempt<'a>(
        &self,
        queue: &'a str,
        waiter: Waiter,
        delay: Option<Duration>,
    ) -> Option<&'a str> {
        if let Some(delay) = delay.filter(|delay| !delay.is_zero()) {
            sleep(delay).await;
        }
        let attempt = self.pending_claims.begin_attempt(&waiter.request_id);
        match self.store.tasks.take(queue, &waiter.claimer).await {
            Ok(Some(claimed)) => {
                self.wait_queue.record_assignment(&waiter.worker.worker_id);
                // A handoff that is not accepted gives the task back when it is dropped.
                let handoff = ClaimAnswer::Handoff(attempt.into_handoff(claimed));
                let _ = waiter.answer.send(Ok(handoff));
                None
            }
            Ok(None) => {
                self.wait_queue.put_back(waiter);
                Some(queue)
            }
            Err(error) => {
                let _ = waiter.answer.send(Err(error));
                None
            }
        }
    }
}

impl Look {
    fn add_loads(&mut self, worker_ids: &[&str], loads: &[u32]) {
        let loads = worker_ids.iter().zip(loads);
        self.loads
            .extend(loads.map(|(id, load)| ((*id).to_owned(), *load)));
    }
}

/// The queues that a waiting worker fits, without those that the round found exhausted.
fn wanted_queues<'a>(
    waiting: &[WaiterSnapshot],
    queues: &'a [Class],
    round: &MatchRound,
) -> Vec<&'a str> {
    queues
        .iter()
        .filter(|class| !round.exhausted.contains(&class.name))
        .filter(|class| waiting.iter().any(|seen| seen.fits(&class.requirements)))
        .map(|class| class.name.as_str())
        .collect()
}

/// The waiters whose workers have room, with how many tasks each worker runs; a worker may wait more than once.
fn with_free_slots(
    waiting: Vec<WaiterSnapshot>,
    mut loads: HashMap<String, u32>,
) -> Vec<WaiterSnapshot> {
    let with_free_slots = waiting.into_iter().filter_map(|mut seen| {
        let load = loads.get_mut(seen.worker_id())?;
        seen.running = *load;
        *load += 1;
        (seen.running < seen.capacity()).then_some(seen)
    });
    with_free_slots.collect()
}

/// Chooses which worker gets which task, both by their positions; `fitting` says how many living workers fit each queue.
fn choose(
    heads: &[QueueHead],
    waiting: &[WaiterSnapshot],
    queues: &[Class],
    fitting: &HashMap<String, u32>,
) -> Vec<(usize, usize)> {
    let class_of = |queue: &str| queues.iter().find(|class| class.name == queue);
    let tasks: Vec<_> = heads
        .iter()
        .map(|head| ReadyTask {
            queue: &head.queue,
            strategy: head.strategy,
            near: &head.near,
            priority: head.priority,
            since_ms: head.since_ms,
            fitting: fitting.get(&head.queue).copied().unwrap_or(0),
        })
        .collect();
    let candidates: Vec<Candidate<'_>> = waiting.iter().map(WaiterSnapshot::candidate).collect();
    assign(&tasks, &candidates, |queue, worker| {
        let class = class_of(queue);
        class.is_some_and(|class| waiting[worker].fits(&class.requirements))
    })
}
