//! Holds the store against the ledgers.

use std::collections::BTreeSet;

use serde::Serialize;
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{Checkpoint, Session};
use shim_runtime::client::Channel;
use tonic::{Code, Status};

use super::saver_acks::{Acknowledged, SaverAcks};
use crate::calls;
use crate::rng::SeededRng;

/// Old checkpoints whose content is read again after each round, of each session.
const OLD_SAMPLES: u64 = 4;

/// What a run found. Everything but `rounds`, `seed` and `acknowledged` must be 0.
#[derive(Debug, Default, Clone, Serialize)]
pub struct CheckpointVerdict {
    /// Kills, each followed by a restart and a look at the store.
    pub rounds: u64,
    /// Where all chance came from.
    pub seed: u64,
    /// Saves that were answered with OK.
    pub acknowledged: u64,
    /// Acknowledged checkpoints that are not there.
    pub lost: u64,
    /// Contents that are there twice, or requests that were answered with two checkpoints.
    pub duplicated: u64,
    /// Checkpoints reported as damaged, or served with another content than was sent.
    pub damaged: u64,
    /// Numbers missing between 1 and the newest.
    pub gaps: u64,
    /// Checkpoints that do not name their predecessor's hash.
    pub unlinked: u64,
    /// Savers that got an answer no kill explains.
    pub refused: u64,
}

impl CheckpointVerdict {
    /// Whether every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.lost + self.duplicated + self.damaged + self.gaps + self.unlinked + self.refused == 0
    }
}

/// One session under examination: what was seen of it before is not looked at again, but for samples.
#[derive(Debug, Default)]
pub(super) struct ExaminedSession {
    last: Option<Checkpoint>,
    tasks: BTreeSet<String>,
}

impl ExaminedSession {
    /// Looks at everything new in `session`, and at samples of the old, or at all of it if `fully`.
    pub(super) async fn examine(
        &mut self,
        client: &mut CheckpointServiceClient<Channel>,
        session: &Session,
        acks: &SaverAcks,
        rng: &mut SeededRng,
        verdict: &mut CheckpointVerdict,
        fully: bool,
    ) -> Result<(), Status> {
        if fully {
            *self = Self::default();
        }
        let seen_before = self.last.as_ref().map_or(0, |checkpoint| checkpoint.number);
        let mut found = calls::history(client, &session.id, seen_before).await?;
        verdict.damaged += found.damaged_numbers.len() as u64;
        found.checkpoints.reverse();

        let acknowledged: Vec<Acknowledged> = {
            let entries = acks.entries();
            entries
                .by_number
                .range(seen_before + 1..)
                .map(|(_, entry)| entry.clone())
                .collect()
        };
        self.check_chain(&found.checkpoints, verdict);
        for entry in &acknowledged {
            let number = entry.header.number;
            let at = found
                .checkpoints
                .binary_search_by_key(&number, |header| header.number);
            match at.map(|at| &found.checkpoints[at]) {
                Ok(header) if header.id == entry.header.id && header.hash == entry.header.hash => {
                    compare(client, entry, verdict).await?;
                }
                _ => verdict.lost += 1,
            }
        }
        if !fully && seen_before > 0 {
            for _ in 0..OLD_SAMPLES {
                let sampled = {
                    let entries = acks.entries();
                    entries
                        .by_number
                        .get(&rng.within(1..seen_before + 1))
                        .cloned()
                };
                if let Some(entry) = sampled {
                    compare(client, &entry, verdict).await?;
                }
            }
        }
        Ok(())
    }

    /// Numbers without a gap, each linked to the one before, each content once.
    fn check_chain(&mut self, oldest_first: &[Checkpoint], verdict: &mut CheckpointVerdict) {
        for header in oldest_first {
            let (number, hash) = self
                .last
                .as_ref()
                .map_or((0, ""), |last| (last.number, last.hash.as_str()));
            verdict.gaps += header.number.saturating_sub(number + 1);
            if header.previous_hash != hash || header.hash.is_empty() {
                verdict.unlinked += 1;
            }
            if !self.tasks.insert(header.current_task.clone()) {
                verdict.duplicated += 1;
            }
            self.last = Some(header.clone());
        }
    }
}

/// Reads an acknowledged checkpoint's content and holds it against what was sent.
async fn compare(
    client: &mut CheckpointServiceClient<Channel>,
    entry: &Acknowledged,
    verdict: &mut CheckpointVerdict,
) -> Result<(), Status> {
    match calls::content(client, &entry.header.id).await {
        Ok(state) if state == entry.sent => {}
        Ok(_) => verdict.damaged += 1,
        Err(status) if status.code() == Code::DataLoss => verdict.damaged += 1,
        Err(status) if status.code() == Code::NotFound => verdict.lost += 1,
        Err(status) => return Err(status),
    }
    Ok(())
}
