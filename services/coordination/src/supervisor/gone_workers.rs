//! Workers that are gone: what they had goes to others, as soon as the registry knows.
//!
//! The registry's history is followed from where this supervisor began, after a look at every worker that holds tasks; so
//! the cost is that of the deaths, not of the living.

use std::time::Duration;

use futures::future::join_all;
use shim_proto::coordination::v1::{Worker, WorkerChangeKind, WorkerState};
use shim_runtime::ids::{Epoch, WorkerId};
use shim_store::registry::CHANNELS;
use shim_store::tasks::WorkerGone;
use shim_store::{Error, Store, Topic};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::log_once::LogOnce;

/// How often it looks though no end was told.
const POLL_EVERY: Duration = Duration::from_millis(250);
/// How soon it tries to listen again.
const RESUBSCRIBE_AFTER: Duration = Duration::from_millis(250);
/// The changes that end an incarnation of a worker.
const ENDING_CHANGES: [&str; 3] = ["dead", "stopped", "registered"];

/// Gives on what the gone had, until it is dropped.
pub(super) async fn run(store: &Store) {
    let mut gone_workers = GoneWorkers::new(store.clone());
    let changed = Notify::new();
    let check = async {
        let (mut tick, mut log) = (interval(POLL_EVERY), LogOnce::default());
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = changed.notified() => {}
                _ = tick.tick() => {}
            }
            log.record(
                "cannot give on what the dead had",
                gone_workers.check_changes().await,
            );
        }
    };
    let notify = join_all(ENDING_CHANGES.map(|end| notify_on_change(store, end, &changed)));
    tokio::join!(check, notify);
}

async fn notify_on_change(store: &Store, end: &str, changed: &Notify) {
    loop {
        let topic = Topic::Channel(store.keys.channel(&format!("{CHANNELS}{end}")));
        if let Ok(mut subscription) = store.pubsub.subscribe(topic).await {
            loop {
                subscription.wait_for(|_| true).await;
                changed.notify_one();
            }
        }
        sleep(RESUBSCRIBE_AFTER).await;
    }
}

struct GoneWorkers {
    store: Store,
    /// Everything up to here was looked at; `None` before the first look.
    position: Option<u64>,
}

impl GoneWorkers {
    fn new(store: Store) -> Self {
        Self {
            store,
            position: None,
        }
    }

    /// Buries who went since the last look.
    async fn check_changes(&mut self) -> Result<(), Error> {
        loop {
            let changes = match self.position {
                Some(position) => self.store.registry.changes(position).await?,
                None => None,
            };
            let Some(changes) = changes else {
                return self.check_all_holders().await;
            };
            if changes.is_empty() {
                return Ok(());
            }
            for change in changes {
                let is_end = matches!(
                    change.kind,
                    WorkerChangeKind::Died
                        | WorkerChangeKind::Deregistered
                        | WorkerChangeKind::Registered
                );
                if is_end {
                    self.check_worker(change.worker_id, change.position).await?;
                }
                self.position = Some(change.position);
            }
        }
    }

    /// Looks at every worker that holds tasks, with nothing missed between that and the history.
    async fn check_all_holders(&mut self) -> Result<(), Error> {
        let position = self.store.registry.position().await?;
        for worker_id in self.store.tasks.holders().await? {
            self.check_worker(worker_id, position).await?;
        }
        self.position = Some(position);
        Ok(())
    }

    /// Looks at a worker, of which something was told at this position of the registry's history.
    async fn check_worker(&self, worker_id: WorkerId, position: u64) -> Result<(), Error> {
        let worker = self.store.registry.get(worker_id).await?;
        let Some(worker_gone) = worker_gone(worker_id, worker.as_ref(), position) else {
            return Ok(());
        };
        let requeued = self.store.tasks.release_worker_tasks(&worker_gone).await?;
        if requeued > 0 {
            tracing::info!(
                worker = %worker_id,
                tasks = requeued,
                why = worker_gone.why,
                "tasks go to other workers"
            );
        }
        Ok(())
    }
}

/// What of a worker is gone: all of it, or its incarnations before the present one.
fn worker_gone(worker_id: WorkerId, worker: Option<&Worker>, position: u64) -> Option<WorkerGone> {
    let gone = |epoch, why: &str, died| {
        Some(WorkerGone {
            worker_id,
            epoch: Epoch(epoch),
            why: why.to_owned(),
            died,
            known_at: None,
        })
    };
    match worker {
        // Forgotten long ago. Epochs are positions of the same history: a later incarnation is spared.
        None => gone(position, "its worker is unknown", true),
        Some(worker) => match worker.state() {
            WorkerState::Dead => Some(WorkerGone {
                known_at: worker.due_at,
                ..gone(worker.epoch, "its worker died", true)?
            }),
            WorkerState::Stopped => gone(worker.epoch, "its worker left", false),
            _ => gone(
                worker.epoch.saturating_sub(1),
                "its worker began anew",
                true,
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn worker(state: WorkerState) -> Worker {
        Worker {
            epoch: 7,
            state: state.into(),
            ..Worker::default()
        }
    }

    #[test]
    fn the_living_keep_what_their_present_epoch_has() {
        let worker_gone =
            worker_gone(WorkerId::new(), Some(&worker(WorkerState::Busy)), 9).unwrap();
        assert_eq!(worker_gone.epoch, Epoch(6));
    }

    #[test]
    fn the_dead_and_those_that_left_keep_nothing() {
        for (state, died) in [(WorkerState::Dead, true), (WorkerState::Stopped, false)] {
            let worker_gone = worker_gone(WorkerId::new(), Some(&worker(state)), 9).unwrap();
            assert_eq!((worker_gone.epoch, worker_gone.died), (Epoch(7), died));
        }
        assert_eq!(
            worker_gone(WorkerId::new(), None, 9).unwrap().epoch,
            Epoch(9)
        );
    }
}
