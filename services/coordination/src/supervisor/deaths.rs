//! Workers that are gone: what they had goes to others, as soon as the registry knows.
//!
//! The registry's history is followed from where this supervisor began, after a look at every worker that holds tasks; so
//! the cost is that of the deaths, not of the living.

use std::time::Duration;

use futures::future::join_all;
use shim_proto::coordination::v1::{Worker, WorkerChangeKind, WorkerState};
use shim_store::registry::CHANNELS;
use shim_store::tasks::Burial;
use shim_store::{Error, Store, Topic};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::trouble::Trouble;

/// How often it looks though no end was told.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How soon it tries to listen again.
const LISTEN_AGAIN: Duration = Duration::from_millis(250);
/// The changes that end an incarnation of a worker.
const ENDS: [&str; 3] = ["dead", "stopped", "registered"];

/// Gives on what the gone had, until it is dropped.
pub(super) async fn watch(store: &Store) {
    let mut deaths = Deaths::new(store.clone());
    let told = Notify::new();
    let look = async {
        let (mut tick, mut trouble) = (interval(LOOK_EVERY), Trouble::default());
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = told.notified() => {}
                _ = tick.tick() => {}
            }
            trouble.note("cannot give on what the dead had", deaths.look().await);
        }
    };
    let listen = join_all(ENDS.map(|end| listen(store, end, &told)));
    tokio::join!(look, listen);
}

async fn listen(store: &Store, end: &str, told: &Notify) {
    loop {
        let topic = Topic::Channel(store.keys.channel(&format!("{CHANNELS}{end}")));
        if let Ok(mut ear) = store.ear.listen(topic).await {
            loop {
                ear.until(|_| true).await;
                told.notify_one();
            }
        }
        sleep(LISTEN_AGAIN).await;
    }
}

struct Deaths {
    store: Store,
    /// Everything up to here was looked at; `None` before the first look.
    position: Option<u64>,
}

impl Deaths {
    fn new(store: Store) -> Self {
        Self {
            store,
            position: None,
        }
    }

    /// Buries who went since the last look.
    async fn look(&mut self) -> Result<(), Error> {
        loop {
            let changes = match self.position {
                Some(position) => self.store.registry.changes(position).await?,
                None => None,
            };
            let Some(changes) = changes else {
                return self.look_at_all().await;
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
                    self.check(&change.worker_id, change.position).await?;
                }
                self.position = Some(change.position);
            }
        }
    }

    /// Looks at every worker that holds tasks, with nothing missed between that and the history.
    async fn look_at_all(&mut self) -> Result<(), Error> {
        let position = self.store.registry.position().await?;
        for worker_id in self.store.tasks.holders().await? {
            self.check(&worker_id, position).await?;
        }
        self.position = Some(position);
        Ok(())
    }

    /// Looks at a worker, of which something was told at this position of the registry's history.
    async fn check(&self, worker_id: &str, position: u64) -> Result<(), Error> {
        let worker = self.store.registry.get(worker_id).await?;
        let Some(burial) = burial(worker_id, worker.as_ref(), position) else {
            return Ok(());
        };
        let given_on = self.store.tasks.bury(&burial).await?;
        if given_on > 0 {
            tracing::info!(
                worker = worker_id,
                tasks = given_on,
                why = burial.why,
                "tasks go to other workers"
            );
        }
        Ok(())
    }
}

/// What of a worker is gone: all of it, or its incarnations before the present one.
fn burial(worker_id: &str, worker: Option<&Worker>, position: u64) -> Option<Burial> {
    let gone = |epoch, why: &str, died| {
        Some(Burial {
            worker_id: worker_id.to_owned(),
            epoch,
            why: why.to_owned(),
            died,
            known_at: None,
        })
    };
    match worker {
        // Forgotten long ago. Epochs are positions of the same history: a later incarnation is spared.
        None => gone(position, "its worker is unknown", true),
        Some(worker) => match worker.state() {
            WorkerState::Dead => Some(Burial {
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
        let burial = burial("w", Some(&worker(WorkerState::Busy)), 9).unwrap();
        assert_eq!(burial.epoch, 6);
    }

    #[test]
    fn the_dead_and_those_that_left_keep_nothing() {
        for (state, died) in [(WorkerState::Dead, true), (WorkerState::Stopped, false)] {
            let burial = burial("w", Some(&worker(state)), 9).unwrap();
            assert_eq!((burial.epoch, burial.died), (7, died));
        }
        assert_eq!(burial("w", None, 9).unwrap().epoch, 9);
    }
}
