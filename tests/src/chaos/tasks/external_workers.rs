//! The working processes of a suite, as the suite sees them: started, killed, frozen, replaced.

use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

use super::test_stack::{TestStack, sockets};
use super::worker_actor::WorkerArgs;
use super::worker_reports::Report;
use crate::chaos::actor::Actor;
use crate::process;
use crate::rng::SeededRng;

/// How many tasks a process does at once.
const SLOTS: u32 = 2;
/// One in so many that is started after a kill is the same worker again, the others are new.
const SAME_WORKER_ODDS: u64 = 3;

/// How to start working processes.
#[derive(Clone)]
pub(super) struct WorkerLauncher {
    workers: Vec<PathBuf>,
    coordination: Vec<PathBuf>,
    resource: PathBuf,
    reports: UnboundedSender<Report>,
}

/// A working process, and its successors.
pub(super) struct ExternalWorker {
    launcher: WorkerLauncher,
    rng: SeededRng,
    worker_id: String,
    actor: Actor,
}

impl WorkerLauncher {
    pub(super) fn of(stack: &TestStack, resource: &Path, reports: UnboundedSender<Report>) -> Self {
        Self {
            workers: sockets(&stack.workers),
            coordination: sockets(&stack.coordination),
            resource: resource.to_owned(),
            reports,
        }
    }

    pub(super) fn launch(&self, mut rng: SeededRng) -> ExternalWorker {
        let worker_id = Uuid::now_v7().to_string();
        ExternalWorker {
            actor: self.start(&worker_id, &mut rng),
            launcher: self.clone(),
            rng,
            worker_id,
        }
    }

    fn start(&self, worker_id: &str, rng: &mut SeededRng) -> Actor {
        let args = WorkerArgs {
            workers: self.workers.clone(),
            coordination: self.coordination.clone(),
            resource: self.resource.clone(),
            worker_id: worker_id.to_owned(),
            slots: SLOTS,
            seed: rng.next_u64(),
        };
        Actor::start("work", &args.to_args(), self.reports.clone())
    }
}

impl ExternalWorker {
    /// Its id in the registry.
    pub(super) fn worker_id(&self) -> &str {
        &self.worker_id
    }

    /// Ends it with SIGKILL; its tasks are given back by no call.
    pub(super) async fn kill(&mut self) {
        self.actor.kill().await;
    }

    /// Starts another in its place.
    pub(super) fn replace(&mut self) {
        self.worker_id = Uuid::now_v7().to_string();
        self.actor = self.launcher.start(&self.worker_id, &mut self.rng);
    }

    /// Starts another in its place that may be the same worker to the registry.
    pub(super) fn replace_or_return(&mut self) {
        if self.rng.one_in(SAME_WORKER_ODDS) {
            self.actor = self.launcher.start(&self.worker_id, &mut self.rng);
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

    /// Whether it ended without being killed.
    pub(super) fn has_exited(&mut self) -> bool {
        self.actor.has_exited()
    }
}
