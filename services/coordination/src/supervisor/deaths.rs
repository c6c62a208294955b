//! Workers that are gone: what they had goes to others, as soon as the registry knows.
//!
//! The registry's history is followed from where this supervisor began, after a look at every worker that holds tasks; so
//! the cost is that of the deaths, not of the living.

use shim_proto::coordination::v1::{Worker, WorkerChangeKind, WorkerState};
use shim_store::tasks::Burial;
use shim_store::{Error, Store};

pub(super) struct Deaths {
    store: Store,
    /// Everything up to here was looked at; `None` before the first look.
    position: Option<u64>,
}

impl Deaths {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            position: None,
        }
    }

    /// Buries who went since the last look.
    pub(super) async fn look(&mut self) -> Result<(), Error> {
        let Some(position) = self.position else {
            return self.look_at_all().await;
        };
        let Some(changes) = self.store.registry.changes(position).await? else {
            return self.look_at_all().await;
        };
        for change in changes {
            let is_end = matches!(
                change.kind,
                WorkerChangeKind::Died
                    | WorkerChangeKind::Deregistered
                    | WorkerChangeKind::Registered
            );
            if is_end {
                self.check(&change.worker_id).await?;
            }
            self.position = Some(change.position);
        }
        Ok(())
    }

    /// Looks at every worker that holds tasks, with nothing missed between that and the history.
    async fn look_at_all(&mut self) -> Result<(), Error> {
        let position = self.store.registry.position().await?;
        for worker_id in self.store.tasks.holders().await? {
            self.check(&worker_id).await?;
        }
        self.position = Some(position);
        Ok(())
    }

    async fn check(&self, worker_id: &str) -> Result<(), Error> {
        let worker = self.store.registry.get(worker_id).await?;
        let Some(burial) = burial(worker_id, worker.as_ref()) else {
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
fn burial(worker_id: &str, worker: Option<&Worker>) -> Option<Burial> {
    let gone = |epoch, why: &str, died| {
        Some(Burial {
            worker_id: worker_id.to_owned(),
            epoch,
            why: why.to_owned(),
            died,
        })
    };
    match worker {
        // Forgotten after an hour; no epoch of it is ahead of its time.
        None => gone(1 << 53, "its worker is unknown", true),
        Some(worker) => match worker.state() {
            WorkerState::Dead => gone(worker.epoch, "its worker died", true),
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
        let burial = burial("w", Some(&worker(WorkerState::Busy))).unwrap();
        assert_eq!(burial.epoch, 6);
    }

    #[test]
    fn the_dead_and_those_that_left_keep_nothing() {
        for (state, died) in [(WorkerState::Dead, true), (WorkerState::Stopped, false)] {
            let burial = burial("w", Some(&worker(state))).unwrap();
            assert_eq!((burial.epoch, burial.died), (7, died));
        }
        assert!(burial("w", None).unwrap().epoch > 1 << 52);
    }
}
