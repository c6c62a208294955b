//! Matching: looks at who waits and what waits, and has for each worker the task that is best for it to have.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use shim_runtime::lifecycle::Shutdown;
use shim_store::tasks::{Class, Head};
use shim_store::{Error, Store};
use tokio::time::{Instant, sleep};

use super::lookout::{Lookout, Rumours};
use super::offer::Offers;
use super::waitroom::{Seen, Waiter, Waitroom};
use crate::domain::assignment::{Candidate, Waiting, assign, head_start};

/// Tasks looked at for one match, of each queue.
const MOST_HEADS: usize = 64;
/// Who lost a task to another process knows for so long that there are others.
const CONTESTED_FOR: Duration = Duration::from_secs(10);

/// Matches until the shutdown.
pub(super) struct Matching {
    store: Store,
    room: Arc<Waitroom>,
    offers: Arc<Offers>,
    /// When another process was faster last.
    contested_at: Option<Instant>,
}

/// What the look that is going on learned.
#[derive(Default)]
struct Look {
    /// Queues whose first tasks could not be had: others were faster, or the queue is paused.
    barren: HashSet<String>,
}

impl Matching {
    pub(super) fn new(store: Store, room: Arc<Waitroom>, offers: Arc<Offers>) -> Self {
        Self {
            store,
            room,
            offers,
            contested_at: None,
        }
    }

    /// A task that is being had at the shutdown is handed over first.
    pub(super) async fn run(mut self, shutdown: Shutdown) {
        let (store, room, rumours) = (self.store.clone(), self.room.clone(), Rumours::default());
        let mut lookout = Lookout::new(&store, &rumours);
        let matching = async {
            while !shutdown.is_begun() {
                tokio::select! {
                    () = lookout.until_something_happens(&room.arrived) => {}
                    () = shutdown.wait() => return,
                }
                let number = room.begin_look();
                let mut look = Look::default();
                while self.match_once(&mut lookout, &mut look).await {}
                room.end_look(number);
            }
        };
        tokio::select! {
            () = matching => {}
            () = rumours.gather(&store) => {}
        }
    }

    /// Matches those who wait with what waits; tells whether to look again at once.
    async fn match_once(&mut self, lookout: &mut Lookout<'_>, look: &mut Look) -> bool {
        let waiting = self.room.who();
        if waiting.is_empty() {
            return false;
        }
        let queues = lookout.queues().await;
        let heads = match self.heads(&waiting, queues, look).await {
            Ok(heads) if !heads.is_empty() => heads,
            Ok(_) => return false,
            Err(error) => {
                tracing::debug!(%error, "those who wait for tasks wait on");
                return false;
            }
        };
        let waiting = self.with_room(waiting).await;
        let matches = choose(&heads, &waiting, queues);
        if matches.is_empty() {
            return false;
        }
        let is_contested = self
            .contested_at
            .is_some_and(|at| at.elapsed() < CONTESTED_FOR);
        let attempts = matches.into_iter().filter_map(|(head, worker)| {
            let (head, seen) = (&heads[head], &waiting[worker]);
            let waiter = self.room.call(seen.ticket)?;
            let pause = is_contested.then(|| head_start(&seen.candidate, &head.near));
            Some(self.attempt(&head.queue, waiter, pause))
        });
        let barren: Vec<&str> = join_all(attempts).await.into_iter().flatten().collect();
        if !barren.is_empty() {
            self.contested_at = Some(Instant::now());
        }
        look.barren.extend(barren.into_iter().map(str::to_owned));
        true
    }

    /// What waits first for those who wait, in order.
    async fn heads(
        &self,
        waiting: &[Seen],
        queues: &[Class],
        look: &Look,
    ) -> Result<Vec<Head>, Error> {
        let wanted: Vec<&str> = queues
            .iter()
            .filter(|class| !look.barren.contains(&class.name))
            .filter(|class| waiting.iter().any(|seen| seen.fits(&class.requirements)))
            .map(|class| class.name.as_str())
            .collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let most = waiting.len().min(MOST_HEADS);
        self.store.tasks.heads(&wanted, most).await
    }

    /// Those who have room for a task, with what they have now; a worker may wait more than once.
    async fn with_room(&self, waiting: Vec<Seen>) -> Vec<Seen> {
        let mut running: HashMap<String, u32> = HashMap::new();
        let loads = waiting.iter().map(|seen| &seen.candidate.worker_id);
        let loads: HashSet<&String> = loads.collect();
        let loads = loads.into_iter().map(|id| async move {
            // Who has too many is refused when it claims.
            let running = self.store.tasks.running(id).await.unwrap_or_default();
            (id.clone(), running)
        });
        running.extend(join_all(loads).await);
        let with_room = waiting.into_iter().filter_map(|mut seen| {
            let running = running.get_mut(&seen.candidate.worker_id)?;
            seen.candidate.running = *running;
            *running += 1;
            (seen.candidate.running < seen.candidate.capacity).then_some(seen)
        });
        with_room.collect()
    }

    /// Has a task for a worker, after others had so long to be faster; one that comes to nothing puts the worker back.
    /// Tells the queue if it had none.
    async fn attempt<'a>(
        &self,
        queue: &'a str,
        waiter: Waiter,
        pause: Option<Duration>,
    ) -> Option<&'a str> {
        if let Some(pause) = pause.filter(|pause| !pause.is_zero()) {
            sleep(pause).await;
        }
        let attempt = self.offers.attempt(&waiter.request_id);
        match self.store.tasks.take(queue, &waiter.claimer).await {
            Ok(Some(claimed)) => {
                self.room.note_turn(&waiter.worker.worker_id);
                // What is not accepted goes back when it is dropped.
                let _ = waiter.answer.send(Ok(attempt.came_to(claimed)));
                None
            }
            Ok(None) => {
                self.room.put_back(waiter);
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
fn choose(heads: &[Head], waiting: &[Seen], queues: &[Class]) -> Vec<(usize, usize)> {
    let tasks: Vec<_> = heads
        .iter()
        .map(|head| Waiting {
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
