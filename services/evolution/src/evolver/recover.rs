//! What a crash left: worktrees, and evolutions that were being applied.

use shim_proto::evolution::v1::{Evolution, EvolutionState};
use tokio_util::sync::CancellationToken;

use super::commands::try_git;
use super::commit::{TRAILER, branch_names};
use super::context::Evolver;
use super::worktree;
use crate::error::EvolutionError;
use crate::store::StateChange;

impl Evolver {
    /// Ends what a crash left unfinished. It is called once, before the first evolution is decided.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn recover(&self) -> Result<(), EvolutionError> {
        let folder = self.worktrees.clone();
        let sweeping = tokio::task::spawn_blocking(move || worktree::sweep(&folder));
        if let Err(why) = sweeping.await {
            tracing::warn!(%why, "worktrees that are left are removed at the next start");
        }
        for evolution in self.store.interrupted_evolutions().await? {
            let committed = self.committed_as(&evolution).await;
            let to = if committed.is_some() {
                EvolutionState::Committed
            } else {
                EvolutionState::Proposed
            };
            let change = StateChange {
                evolution_id: evolution.evolution_id.clone(),
                from: EvolutionState::Applying,
                to,
                request_id: String::new(),
            };
            tracing::info!(evolution = %evolution.evolution_id, is_committed = committed.is_some(), "an interrupted evolution was ended");
            let update = |evolution: &mut Evolution| {
                if let Some((branch, commit)) = committed {
                    (evolution.branch, evolution.commit) = (branch, commit);
                }
            };
            self.store.change_state(change, update).await?;
        }
        Ok(())
    }

    /// The branch and commit of an evolution whose branch was made before the crash.
    async fn committed_as(&self, evolution: &Evolution) -> Option<(String, String)> {
        let root = std::path::PathBuf::from(&evolution.project.as_ref()?.root);
        for branch in branch_names(evolution) {
            let reference = format!("refs/heads/{branch}");
            let args = ["log", "-1", "--format=%H%n%B", &reference, "--"];
            let said = try_git(&self.runs, &root, &args, &CancellationToken::new())
                .await
                .ok()?;
            let is_its = said.is_success()
                && said
                    .stdout
                    .contains(&format!("{TRAILER}: {}", evolution.evolution_id));
            if is_its {
                let commit = said.stdout.lines().next()?.to_owned();
                return Some((branch, commit));
            }
        }
        None
    }
}
