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

use super::handoff::{ClaimAnswer, PendingClaims};
use super::triggers::{QueueNotifications, Triggers};
use super::wait_queue::{EntryCheck, WaitQueue, Waiter, WaiterSnapshot};
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
                    () = triggers.wait(&wait_queue.arrived) => {}
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
        let matches = choose(heads, &waiting, queues);
        if matches.is_empty() {
            return false;
        }
        let is_contested = self
            .contested_at
            .is_some_and(|at| at.elapsed() < CONTESTED_FOR);
        let attempts = matches.into_iter().filter_map(|(head, worker)| {
            let (head, seen) = (&heads[head], &waiting[worker]);
            let waiter = self.wait_queue.take(seen.ticket)?;
            let delay = is_contested.then(|| head_start(&seen.candidate(), &head.near));
            Some(self.attempt(&head.queue, waiter, delay))
        });
        let exhausted: Vec<&str> = join_all(attempts).await.into_iter().flatten().collect();
        if !exhausted.is_empty() {
            self.contested_at = Some(Instant::now());
        }
        round
            .exhausted
            .extend(exhausted.into_iter().map(str::to_owned));
        true
    }

    /// Looks at the heads of the wanted queues and at the waiting workers, in one call for all but large crowds.
    async fn look(&self, waiting: &[WaiterSnapshot], wanted: &[&str]) -> Result<Look, Error> {
        let new = |seen: &&WaiterSnapshot| seen.entry_check != EntryCheck::Nothing;
        let is_any_new = waiting.iter().any(|seen| new(&seen));
        if wanted.is_empty() && !is_any_new {
            return Ok(Look::default());
        }
        let all: HashSet<&str> = waiting.iter().map(WaiterSnapshot::worker_id).collect();
        let at_once: HashSet<&str> = if all.len() <= MAX_LOADS_EACH_LOOK {
            all.clone()
        } else {
            let new = waiting.iter().filter(new);
            new.map(WaiterSnapshot::worker_id).collect()
        };
        let worker_ids: Vec<&str> = at_once.iter().copied().collect();
        let (tickets, request_ids): (Vec<Uuid>, Vec<&str>) = waiting
            .iter()
            .filter_map(|seen| Some((seen.ticket, seen.request_id.as_deref()?)))
            .unzip();
        let most = waiting.len().min(MAX_HEADS);
        let workers = WaitingWorkers {
            worker_ids: &worker_ids,
            request_ids: &request_ids,
        };
        let found = self.store.tasks.heads(wanted, most, workers).await?;
        let mut look = Look {
            repeated: found
                .repeated
                .iter()
                .filter_map(|at| tickets.get(*at).copied())
                .collect(),
            ..Look::default()
        };
        look.add_loads(&worker_ids, &found.loads);
        if !found.heads.is_empty() {
            let others: Vec<&str> = all.difference(&at_once).copied().collect();
            for worker_ids in others.chunks(LOADS_AT_ONCE) {
                let workers = WaitingWorkers {
                    worker_ids,
                    request_ids: &[],
                };
                let found = self.store.tasks.heads(&[], 0, workers).await?;
                look.add_loads(worker_ids, &found.loads);
            }
        }
        look.heads = found.heads;
        Ok(look)
    }

    /// Answers the waiters that this is the first look for, if their requests made a claim before or their workers have no
    /// room; returns the others.
    fn check_new(&self, waiting: Vec<WaiterSnapshot>, look: &Look) -> Vec<WaiterSnapshot> {
        let mut checked = HashSet::new();
        let mut others = Vec::with_capacity(waiting.len());
        for seen in waiting {
            if seen.entry_check == EntryCheck::Nothing {
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

/// Chooses which worker gets which task, both by their positions.
fn choose(
    heads: &[QueueHead],
    waiting: &[WaiterSnapshot],
    queues: &[Class],
) -> Vec<(usize, usize)> {
    let tasks: Vec<_> = heads
        .iter()
        .map(|head| ReadyTask {
            queue: &head.queue,
            strategy: head.strategy,
            near: &head.near,
        })
        .collect();
    let candidates: Vec<Candidate<'_>> = waiting.iter().map(WaiterSnapshot::candidate).collect();
    assign(&tasks, &candidates, |queue, worker| {
        let class = queues.iter().find(|class| class.name == queue);
        class.is_some_and(|class| waiting[worker].fits(&class.requirements))
    })
}
