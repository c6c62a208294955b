//! Workers that are gone: the tasks they hold are released as soon as the registry knows of the end.
//!
//! A new supervisor checks every worker that holds tasks once, and then follows the registry's history. The cost grows with
//! the number of ends, not with the number of living workers.

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

/// How often the history is read without a publication.
const POLL_EVERY: Duration = Duration::from_millis(250);
/// The pause before a failed subscription is tried again.
const RESUBSCRIBE_AFTER: Duration = Duration::from_millis(250);
/// The changes that end an incarnation of a worker.
const ENDING_CHANGES: [&str; 3] = ["dead", "stopped", "registered"];

/// Releases the tasks of gone workers until the future is dropped.
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
                "cannot release the tasks of gone workers",
                gone_workers.check_changes().await,
            );
        }
    };
    let notify = join_all(ENDING_CHANGES.map(|end| notify_on_change(store, end, &changed)));
    tokio::join!(check, notify);
}

/// Wakes the check after every publication of one kind of ending change.
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
    /// The position up to which the history is handled; `None` before all holders were checked.
    position: Option<u64>,
}

impl GoneWorkers {
    fn new(store: Store) -> Self {
        Self {
            store,
            position: None,
        }
    }

    /// Handles the changes since the last check.
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

    /// Checks every worker that holds tasks. The position is read first, so no change falls between this and the history.
    async fn check_all_holders(&mut self) -> Result<(), Error> {
        let position = self.store.registry.position().await?;
        for worker_id in self.store.tasks.holders().await? {
            self.check_worker(worker_id, position).await?;
        }
        self.position = Some(position);
        Ok(())
    }

    /// Releases the tasks that a worker lost by a change at this position of the registry's history.
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

/// What is gone of a worker: every incarnation, or those before the present one; `None` if nothing is.
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
        // The registry forgot it long ago. Epochs are positions of the same history, so a later incarnation is spared.
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
    fn a_living_worker_keeps_the_tasks_of_its_present_epoch() {
        let worker_gone =
            worker_gone(WorkerId::new(), Some(&worker(WorkerState::Busy)), 9).unwrap();
        assert_eq!(worker_gone.epoch, Epoch(6));
    }

    #[test]
    fn a_dead_stopped_or_forgotten_worker_keeps_no_task() {
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
