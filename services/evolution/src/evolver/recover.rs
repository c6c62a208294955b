//! What a crash left: worktrees, and evolutions that were being applied or taken back.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use shim_proto::evolution::v1::{Evolution, EvolutionState};
use tokio_util::sync::CancellationToken;

use super::commands::ask_git;
use super::commit::{BranchCommit, TRAILER, branch_names};
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
        self.settle_reversions().await;
        self.settle_all().await
    }

    /// Ends what is told as being applied although nobody works on it.
    ///
    /// # Errors
    /// The store's failures. What git cannot tell of stays as it is, until the next look.
    pub(crate) async fn settle_all(&self) -> Result<(), EvolutionError> {
        for evolution in self.store.interrupted_evolutions().await? {
            let settled = self.settle(&evolution.evolution_id).await;
            match settled {
                Err(error @ EvolutionError::Git { .. }) => {
                    tracing::warn!(%error, evolution = evolution.evolution_id, "an evolution is told as being applied for now");
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Ends an evolution that is told as being applied although nobody works on it: it is committed if its branch was made, else a
    /// proposal again. Another one stays as it is.
    ///
    /// # Errors
    /// If git fails; the store's failures.
    pub(crate) async fn settle(&self, evolution_id: &str) -> Result<(), EvolutionError> {
        let Some(_work) = self.at_work.begin(evolution_id) else {
            return Ok(());
        };
        let found = self.store.evolution(evolution_id).await?;
        let evolution = found.evolution;
        if evolution.state() != EvolutionState::Applying {
            return Ok(());
        }
        let committed = self.committed_as(&evolution).await?;
        let to = if committed.is_some() {
            EvolutionState::Committed
        } else {
            EvolutionState::Proposed
        };
        tracing::info!(evolution = %evolution.evolution_id, is_committed = committed.is_some(), "an interrupted evolution was ended");
        let change = StateChange {
            evolution_id: evolution.evolution_id,
            from: EvolutionState::Applying,
            to,
            // A repetition of the request that approved it finds what became of it.
            request_id: found.request_id,
        };
        let update = |evolution: &mut Evolution| match committed {
            Some((made, paths)) => {
                (evolution.branch, evolution.commit) = (made.branch, made.commit);
                evolution.files.retain(|file| paths.contains(&file.path));
            }
            None => evolution.checks.clear(),
        };
        self.store.change_state(change, update).await.map(|_| ())
    }

    /// The branch and commit of an evolution whose branch was made before the crash, and the files of that commit.
    async fn committed_as(
        &self,
        evolution: &Evolution,
    ) -> Result<Option<(BranchCommit, BTreeSet<String>)>, EvolutionError> {
        let Some(root) = root_of(evolution) else {
            return Ok(None);
        };
        let trailer = format!("{TRAILER}: {}", evolution.evolution_id);
        let Some(made) = self
            .branch_that_says(&root, &branch_names(evolution), &trailer)
            .await?
        else {
            return Ok(None);
        };
        let args = [
            "diff-tree",
            "--no-commit-id",
            "--name-only",
            "--relative",
            "-r",
            "-z",
            &made.commit,
        ];
        let said = ask_git(&self.runs, &root, &args, &CancellationToken::new()).await?;
        let paths = said.stdout.split('\0').filter(|path| !path.is_empty());
        let paths = paths.map(str::to_owned).collect();
        Ok(Some((made, paths)))
    }

    /// The first branch of these names whose last commit says `line`.
    pub(super) async fn branch_that_says(
        &self,
        root: &Path,
        names: &[String],
        line: &str,
    ) -> Result<Option<BranchCommit>, EvolutionError> {
        for branch in names {
            let reference = format!("refs/heads/{branch}");
            let args = ["log", "-1", "--format=%H%n%B", &reference, "--"];
            let said = ask_git(&self.runs, root, &args, &CancellationToken::new()).await?;
            let mut lines = said.stdout.lines();
            let Some(commit) = lines.next().filter(|_| said.is_success()) else {
                continue;
            };
            if lines.any(|said| said == line) {
                return Ok(Some(BranchCommit {
                    branch: branch.clone(),
                    commit: commit.to_owned(),
                }));
            }
        }
        Ok(None)
    }
}

/// The folder of an evolution's project, if it is still there.
pub(super) fn root_of(evolution: &Evolution) -> Option<PathBuf> {
    let root = PathBuf::from(&evolution.project.as_ref()?.root);
    root.is_dir().then_some(root)
}
