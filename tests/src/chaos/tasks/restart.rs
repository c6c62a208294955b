//! How fast the tasks of killed workers start elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use shim_proto::coordination::v1::TaskEventKind;
use tonic::Status;

use super::external_workers::ExternalWorker;
use super::fault_injection::now_ms;
use super::graphs::Graph;
use super::history::{JobHistory, died_at};
use super::submitter::Submitter;
use super::verdict::{Percentiles, Restarts};
use super::worker_reports::ReportCollector;
use crate::tasks::TaskClients;

/// Tasks whose workers are killed at the same moment.
const AT_ONCE: u64 = 2;
/// A worker that was just killed is not replaced at once, so that the others are those who take its tasks.
const DOWNTIME: Duration = Duration::from_millis(200);

/// A worker that was killed, and when.
pub(super) type Kills = BTreeMap<String, u64>;

/// Kills workers that hold a task while others idle, so often.
pub(super) async fn kill_holders(
    times: u64,
    submitter: &mut Submitter,
    external_workers: &mut [ExternalWorker],
    collector: &ReportCollector,
) -> Result<Kills, Status> {
    let mut kills = Kills::new();
    for _ in 0..times.div_ceil(AT_ONCE) {
        let mut holders = Vec::new();
        for _ in 0..AT_ONCE {
            let job = submitter.submit(Graph::held()).await?;
            holders.push(collector.holder(&job.root_id).await);
        }
        for external_worker in external_workers.iter_mut() {
            if holders
                .iter()
                .any(|holder| holder == external_worker.worker_id())
            {
                kills.insert(external_worker.worker_id().to_owned(), now_ms());
                external_worker.kill().await;
            }
        }
        tokio::time::sleep(DOWNTIME).await;
        for external_worker in external_workers
            .iter_mut()
            .filter(|external_worker| kills.contains_key(external_worker.worker_id()))
        {
            external_worker.replace();
        }
        submitter.wait_for_all().await?;
    }
    Ok(kills)
}

/// Reads off the logs when the tasks of killed workers started again.
pub(super) async fn restarts(
    kills: &Kills,
    history: &[JobHistory],
    clients: &mut TaskClients,
) -> Restarts {
    let (mut from_known, mut from_kill) = (Vec::new(), Vec::new());
    for (worker, killed_at) in kills {
        // A worker that came back under its id is no death.
        let Some(known_at) = died_at(worker, clients).await else {
            continue;
        };
        for started_at in history
            .iter()
            .flat_map(|job_history| taken_over(job_history, worker, *killed_at))
        {
            from_known.push(started_at.saturating_sub(known_at));
            from_kill.push(started_at.saturating_sub(*killed_at));
        }
    }
    Restarts {
        known_to_start: Percentiles::of(from_known),
        kill_to_start: Percentiles::of(from_kill),
    }
}

/// When tasks that were taken from the worker after its death started with another, if the next thing that happened to them was a start.
fn taken_over(job_history: &JobHistory, worker: &str, killed_at: u64) -> Vec<u64> {
    let mut starts = Vec::new();
    for events in job_history.events.values() {
        for pair in events.windows(3) {
            let [had, taken, started] = pair else {
                continue;
            };
            let was_its = had.worker == worker
                && taken.kind == TaskEventKind::Requeued
                && taken.worker == worker
                && taken.at_ms >= killed_at;
            if was_its && started.kind == TaskEventKind::Started {
                starts.push(started.at_ms);
            }
        }
    }
    starts
}
