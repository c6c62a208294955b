//! How fast the tasks of killed workers start elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use shim_proto::coordination::v1::TaskEventKind;
use tonic::Status;

use super::clerk::Clerk;
use super::crew::Hand;
use super::faults::now_ms;
use super::graphs::Graph;
use super::history::{Past, died_at};
use super::told::Listening;
use super::verdict::{Restarts, Spread};
use crate::tasks::TaskClients;

/// Tasks whose workers are killed at the same moment.
const AT_ONCE: u64 = 2;
/// A worker that was just killed is not replaced at once, so that the others are those who take its tasks.
const AWAY: Duration = Duration::from_millis(200);

/// A worker that was killed, and when.
pub(super) type Kills = BTreeMap<String, u64>;

/// Kills workers that hold a task while others idle, so often.
pub(super) async fn kill_holders(
    times: u64,
    clerk: &mut Clerk,
    hands: &mut [Hand],
    workers: &Listening,
) -> Result<Kills, Status> {
    let mut kills = Kills::new();
    for _ in 0..times.div_ceil(AT_ONCE) {
        let mut holders = Vec::new();
        for _ in 0..AT_ONCE {
            let job = clerk.submit(Graph::held()).await?;
            holders.push(workers.holder(&job.root_id).await);
        }
        for hand in hands.iter_mut() {
            if holders.iter().any(|holder| holder == hand.worker_id()) {
                kills.insert(hand.worker_id().to_owned(), now_ms());
                hand.kill().await;
            }
        }
        tokio::time::sleep(AWAY).await;
        for hand in hands
            .iter_mut()
            .filter(|hand| kills.contains_key(hand.worker_id()))
        {
            hand.replace();
        }
        clerk.all_ended().await?;
    }
    Ok(kills)
}

/// Reads off the logs when the tasks of killed workers started again.
pub(super) async fn restarts(
    kills: &Kills,
    history: &[Past],
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
            .flat_map(|past| taken_over(past, worker, *killed_at))
        {
            from_known.push(started_at.saturating_sub(known_at));
            from_kill.push(started_at.saturating_sub(*killed_at));
        }
    }
    Restarts {
        known_to_start: Spread::of(from_known),
        kill_to_start: Spread::of(from_kill),
    }
}

/// When tasks that were taken from the worker after its death started with another, if the next thing that happened to them was a start.
fn taken_over(past: &Past, worker: &str, killed_at: u64) -> Vec<u64> {
    let mut starts = Vec::new();
    for events in past.events.values() {
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
