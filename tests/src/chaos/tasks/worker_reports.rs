//! What the workers of a suite tell of themselves, and what the suite keeps of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

/// What a worker tells.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Report {
    /// It got a task.
    Claimed(ClaimRecord),
    /// Its result was accepted.
    Committed(ClaimRecord),
    /// It was told that the task is no longer its own.
    Stale(ClaimRecord),
    /// It registered again: it was taken for dead, or claims were answered as if it had tasks it never got.
    Reregistered(ReregisterReason),
    /// It was answered in a way that nothing explains.
    Unexpected(String),
}

/// Why a worker registered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ReregisterReason {
    TakenForDead,
    NoRoom,
}

/// A claim as its worker knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ClaimRecord {
    pub(super) task: String,
    pub(super) lease: u64,
    pub(super) worker: String,
}

/// All that was told.
#[derive(Debug, Default)]
pub(super) struct WorkerReports {
    /// Tokens and workers of the claims, by task.
    pub(super) claims: BTreeMap<String, BTreeSet<(u64, String)>>,
    /// The tokens under which results were accepted, by task.
    pub(super) commits: BTreeMap<String, BTreeSet<u64>>,
    pub(super) stale: u64,
    pub(super) taken_for_dead: u64,
    pub(super) had_no_room: u64,
    pub(super) unexpected: Vec<String>,
}

impl WorkerReports {
    fn record(&mut self, report: Report) {
        match report {
            Report::Claimed(claim) => {
                let of_task = self.claims.entry(claim.task).or_default();
                of_task.insert((claim.lease, claim.worker));
            }
            Report::Committed(claim) => {
                self.commits
                    .entry(claim.task)
                    .or_default()
                    .insert(claim.lease);
            }
            Report::Stale(_) => self.stale += 1,
            Report::Reregistered(ReregisterReason::TakenForDead) => self.taken_for_dead += 1,
            Report::Reregistered(ReregisterReason::NoRoom) => self.had_no_room += 1,
            Report::Unexpected(what) => {
                eprintln!("a worker was answered strangely: {what}");
                self.unexpected.push(what);
            }
        }
    }

    /// The worker that has the task as far as anybody told.
    fn holder(&self, task: &str) -> Option<String> {
        let (_, worker) = self.claims.get(task)?.last()?;
        Some(worker.clone())
    }
}

/// Listens to all workers. Clones hear the same.
#[derive(Clone)]
pub(super) struct ReportCollector {
    collected: Arc<Mutex<WorkerReports>>,
    changes: watch::Receiver<u64>,
}

impl ReportCollector {
    /// Listens for as long as anybody may report.
    pub(super) fn start(mut reports: mpsc::UnboundedReceiver<Report>) -> Self {
        let collected = Arc::<Mutex<WorkerReports>>::default();
        let (count, changes) = watch::channel(0);
        let collector = Self {
            collected: collected.clone(),
            changes,
        };
        tokio::spawn(async move {
            while let Some(report) = reports.recv().await {
                locked(&collected).record(report);
                count.send_modify(|count| *count += 1);
            }
        });
        collector
    }

    /// What was told so far.
    pub(super) fn collected(&self) -> MutexGuard<'_, WorkerReports> {
        locked(&self.collected)
    }

    /// Waits until a worker tells that it has the task.
    pub(super) async fn holder(&self, task: &str) -> String {
        let mut changes = self.changes.clone();
        loop {
            changes.borrow_and_update();
            if let Some(worker) = self.collected().holder(task) {
                return worker;
            }
            changes.changed().await.expect("workers report");
        }
    }
}

fn locked(collected: &Mutex<WorkerReports>) -> MutexGuard<'_, WorkerReports> {
    collected.lock().unwrap_or_else(PoisonError::into_inner)
}
