//! Workers that do tasks with code of this process instead of a program. Such a worker is started when a task for it waits,
//! and leaves when none came for a while: nobody sees one that has nothing to do.

use std::time::Duration;

use shim_proto::coordination::v1::Requirements;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::ids::WorkerId;
use shim_store::tasks::{Class, WaitingWorkers};
use shim_store::{IdempotencyKey, Store, Topic};
use tokio::time::{Instant, sleep, timeout};

use crate::pool::{OwnWorker, WorkerPool};

/// The shortest time between two looks for tasks. One command to Redis each time, and none while it is away.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The time between two looks while no worker is there and no task was announced: an announcement may get lost.
const LOOK_AT_REST: Duration = Duration::from_secs(5);
/// How long a worker without tasks stays.
const STAYS: Duration = Duration::from_secs(60);

/// Keeps such a worker for as long as there are tasks for it, until the shutdown.
pub(crate) fn keep(own: OwnWorker, pool: &WorkerPool, store: &Store, background: &BackgroundTasks) {
    let (pool, store, shutdown) = (pool.clone(), store.clone(), background.shutdown().clone());
    background.spawn_restarting("own_worker", move || {
        let (own, pool, store, shutdown) =
            (own.clone(), pool.clone(), store.clone(), shutdown.clone());
        async move {
            tokio::select! {
                () = run(&own, &pool, &store) => {}
                () = shutdown.wait() => {}
            }
        }
    });
}

async fn run(own: &OwnWorker, pool: &WorkerPool, store: &Store) {
    let queue = Class::of(Some(&Requirements {
        executor: own.kind.into(),
        capabilities: Vec::new(),
    }));
    let mut present: Option<Present> = None;
    let mut announcements = None;
    loop {
        sleep(LOOK_EVERY).await;
        if store.connection.health().is_err() {
            continue;
        }
        if announcements.is_none() {
            let topic = Topic::Channel(store.tasks.wakeup().channel().to_owned());
            announcements = store.pubsub.subscribe(topic).await.ok();
        }
        let queues = [queue.name.as_str()];
        let looking = store.tasks.heads(&queues, 1, WaitingWorkers::default());
        let is_waiting = looking.await.is_ok_and(|found| !found.heads.is_empty());
        present = match present {
            Some(there) => there.look(pool, is_waiting).await,
            None if is_waiting => start(own, pool).await,
            None => None,
        };
        if present.is_none()
            && let Some(announcements) = &mut announcements
        {
            let _ = timeout(LOOK_AT_REST, announcements.wait_for(|_| true)).await;
        }
    }
}

async fn start(own: &OwnWorker, pool: &WorkerPool) -> Option<Present> {
    match pool.start_own(&IdempotencyKey::fresh(), own).await {
        Ok(registered) => Some(Present {
            id: registered.worker_id.parse().ok()?,
            busy_at: Instant::now(),
        }),
        Err(error) => {
            tracing::warn!(%error, name = own.name, "a worker cannot start; trying again");
            None
        }
    }
}

/// A worker that was started.
struct Present {
    id: WorkerId,
    /// When it had something to do last.
    busy_at: Instant,
}

impl Present {
    /// The worker, unless it has left or was without tasks for too long.
    async fn look(mut self, pool: &WorkerPool, is_waiting: bool) -> Option<Self> {
        let reports = pool.reports(Some(self.id)).ok()?;
        let is_busy = reports.iter().any(|report| !report.tasks.is_empty());
        if is_busy || is_waiting {
            self.busy_at = Instant::now();
        }
        if self.busy_at.elapsed() < STAYS {
            return Some(self);
        }
        if let Err(error) = pool.drain(self.id, Duration::ZERO).await {
            tracing::debug!(%error, "a worker left already");
        }
        None
    }
}
