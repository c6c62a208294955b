//! The working processes of a panel, as the panel sees them: started, killed, frozen, replaced.

use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

use super::hand::Working;
use super::house::{House, sockets};
use super::told::Report;
use crate::chaos::actor::Actor;
use crate::dice::Dice;
use crate::process;

/// How many tasks a process does at once.
const LANES: u32 = 2;
/// One in so many that is started after a kill is the same worker again, the others are new.
const SAME_WORKER_ODDS: u64 = 3;

/// How to start working processes.
#[derive(Clone)]
pub(super) struct Agency {
    workers: Vec<PathBuf>,
    coordination: Vec<PathBuf>,
    resource: PathBuf,
    reports: UnboundedSender<Report>,
}

/// A working process, and its successors.
pub(super) struct Hand {
    agency: Agency,
    dice: Dice,
    worker_id: String,
    actor: Actor,
}

impl Agency {
    pub(super) fn of(house: &House, resource: &Path, reports: UnboundedSender<Report>) -> Self {
        Self {
            workers: sockets(&house.workers),
            coordination: sockets(&house.coordination),
            resource: resource.to_owned(),
            reports,
        }
    }

    pub(super) fn hire(&self, mut dice: Dice) -> Hand {
        let worker_id = Uuid::now_v7().to_string();
        Hand {
            actor: self.start(&worker_id, &mut dice),
            agency: self.clone(),
            dice,
            worker_id,
        }
    }

    fn start(&self, worker_id: &str, dice: &mut Dice) -> Actor {
        let working = Working {
            workers: self.workers.clone(),
            coordination: self.coordination.clone(),
            resource: self.resource.clone(),
            worker_id: worker_id.to_owned(),
            lanes: LANES,
            seed: dice.roll(),
        };
        Actor::start("work", &working.words(), self.reports.clone())
    }
}

impl Hand {
    /// Its id in the registry.
    pub(super) fn worker_id(&self) -> &str {
        &self.worker_id
    }

    /// Ends it with SIGKILL; what it had is told to nobody.
    pub(super) async fn kill(&mut self) {
        self.actor.kill().await;
    }

    /// Starts another in its place.
    pub(super) fn replace(&mut self) {
        self.worker_id = Uuid::now_v7().to_string();
        self.actor = self.agency.start(&self.worker_id, &mut self.dice);
    }

    /// Starts another in its place that may be the same worker to the registry.
    pub(super) fn replace_or_return(&mut self) {
        if self.dice.one_in(SAME_WORKER_ODDS) {
            self.actor = self.agency.start(&self.worker_id, &mut self.dice);
        } else {
            self.replace();
        }
    }

    pub(super) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub(super) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.actor.pid() {
            process::signal(pid, signal);
        }
    }

    /// Whether it ended though nobody killed it.
    pub(super) fn is_gone(&mut self) -> bool {
        self.actor.is_gone()
    }
}
