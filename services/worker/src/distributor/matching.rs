//! Matching: looks at who waits and what waits, and has for each worker the task that is best for it to have.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use shim_runtime::lifecycle::Shutdown;
use shim_store::tasks::{Class, QueueHead};
use shim_store::{Error, Store};
use tokio::time::{Instant, sleep};

use super::handoff::PendingClaims;
use super::triggers::{QueueNotifications, Triggers};
use super::wait_queue::{WaitQueue, Waiter, WaiterSnapshot};
use crate::domain::assignment::{Candidate, ReadyTask, assign, head_start};

/// Tasks looked at for one match, of each queue.
const MAX_HEADS: usize = 64;
/// Who lost a task to another process knows for so long that there are others.
const CONTESTED_FOR: Duration = Duration::from_secs(10);

/// Matches until the shutdown.
pub(super) struct Matcher {
    store: Store,
    wait_queue: Arc<WaitQueue>,
    pending_claims: Arc<PendingClaims>,
    /// When another process was faster last.
    contested_at: Option<Instant>,
}

/// What the look that is going on learned.
#[derive(Default)]
struct MatchRound {
    /// Queues whose first tasks could not be had: others were faster, or the queue is paused.
    exhausted: HashSet<String>,
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

    /// A task that is being had at the shutdown is handed over first.
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

    /// Matches those who wait with what waits; tells whether to look again at once.
    async fn match_once(&mut self, triggers: &mut Triggers<'_>, round: &mut MatchRound) -> bool {
        let waiting = self.wait_queue.snapshots();
        if waiting.is_empty() {
            return false;
        }
        let queues = triggers.queues().await;
        let heads = match self.heads(&waiting, queues, round).await {
            Ok(heads) if !heads.is_empty() => heads,
            Ok(_) => return false,
            Err(error) => {
                tracing::debug!(%error, "those who wait for tasks wait on");
                return false;
            }
        };
        let waiting = self.with_free_slots(waiting).await;
        let matches = choose(&heads, &waiting, queues);
        if matches.is_empty() {
            return false;
        }
        let is_contested = self
            .contested_at
            .is_some_and(|at| at.elapsed() < CONTESTED_FOR);
        let attempts = matches.into_iter().filter_map(|(head, worker)| {
            let (head, seen) = (&heads[head], &waiting[worker]);
            let waiter = self.wait_queue.take(seen.ticket)?;
            let delay = is_contested.then(|| head_start(&seen.candidate, &head.near));
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

    /// What waits first for those who wait, in order.
    async fn heads(
        &self,
        waiting: &[WaiterSnapshot],
        queues: &[Class],
        round: &MatchRound,
    ) -> Result<Vec<QueueHead>, Error> {
        let wanted: Vec<&str> = queues
            .iter()
            .filter(|class| !round.exhausted.contains(&class.name))
            .filter(|class| waiting.iter().any(|seen| seen.fits(&class.requirements)))
            .map(|class| class.name.as_str())
            .collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let most = waiting.len().min(MAX_HEADS);
        self.store.tasks.heads(&wanted, most).await
    }

    /// Those who have room for a task, with what they have now; a worker may wait more than once.
    async fn with_free_slots(&self, waiting: Vec<WaiterSnapshot>) -> Vec<WaiterSnapshot> {
        let mut running: HashMap<String, u32> = HashMap::new();
        let loads = waiting.iter().map(|seen| &seen.candidate.worker_id);
        let loads: HashSet<&String> = loads.collect();
        let loads = loads.into_iter().map(|id| async move {
            // Who has too many is refused when it claims.
            let running = self.store.tasks.running(id).await.unwrap_or_default();
            (id.clone(), running)
        });
        running.extend(join_all(loads).await);
        let with_free_slots = waiting.into_iter().filter_map(|mut seen| {
            let running = running.get_mut(&seen.candidate.worker_id)?;
            seen.candidate.running = *running;
            *running += 1;
            (seen.candidate.running < seen.candidate.capacity).then_some(seen)
        });
        with_free_slots.collect()
    }

    /// Has a task for a worker, after others had so long to be faster; one that comes to nothing puts the worker back.
    /// Tells the queue if it had none.
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
                // What is not accepted goes back when it is dropped.
                let _ = waiter.answer.send(Ok(attempt.into_handoff(claimed)));
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

/// Chooses which task, by its place, goes to which worker.
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
    let candidates: Vec<Candidate> = waiting.iter().map(|seen| seen.candidate.clone()).collect();
    assign(&tasks, &candidates, |queue, worker| {
        let class = queues.iter().find(|class| class.name == queue);
        class.is_some_and(|class| waiting[worker].fits(&class.requirements))
    })
}
