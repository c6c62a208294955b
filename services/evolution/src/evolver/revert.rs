//! A committed evolution taken back: its branch goes if nobody built on it, else a commit on a branch of its own undoes it.

use shim_proto::evolution::v1::{Evolution, EvolutionState};
use tokio_util::sync::CancellationToken;

use super::apply::blocking;
use super::commands::{failure, git, try_git};
use super::commit::{BranchCommit, message, revert_names};
use super::context::Evolver;
use super::repository::Repository;
use super::worktree::Worktree;
use crate::error::EvolutionError;
use crate::project::Project;
use crate::store::StateChange;

impl Evolver {
    /// Takes a committed evolution back. Its `commit` is then the one that undoes it, or empty if its branch was deleted.
    ///
    /// # Errors
    /// If it is in another state, later changes are in the way, or git fails.
    pub(crate) async fn revert(
        &self,
        project: &Project,
        evolution_id: &str,
        (request_id, reason): (&str, &str),
        cancel: &CancellationToken,
    ) -> Result<Evolution, EvolutionError> {
        let evolution = self.store.evolution(evolution_id).await?.evolution;
        if evolution.state() != EvolutionState::Committed {
            let state = evolution.state();
            return Err(EvolutionError::WrongState {
                evolution: evolution.evolution_id,
                state: crate::domain::patterns::state_word(state),
                expected: crate::domain::patterns::state_word(EvolutionState::Committed),
            });
        }
        let repository = Repository::of(project)?;
        let (branch, commit) = if self.delete_branch(&repository, &evolution, cancel).await? {
            (String::new(), String::new())
        } else {
            let made = self.undo(&repository, &evolution, cancel).await?;
            (made.branch, made.commit)
        };
        let change = StateChange {
            evolution_id: evolution.evolution_id,
            from: EvolutionState::Committed,
            to: EvolutionState::Reverted,
            request_id: request_id.to_owned(),
        };
        let reason = reason.to_owned();
        self.store
            .change_state(change, move |evolution| {
                (evolution.branch, evolution.commit, evolution.reason) = (branch, commit, reason);
            })
            .await
    }

    /// Deletes the branch if it ends with the evolution's commit, nobody merged that, and nobody has it checked out.
    async fn delete_branch(
        &self,
        repository: &Repository,
        evolution: &Evolution,
        cancel: &CancellationToken,
    ) -> Result<bool, EvolutionError> {
        let reference = format!("refs/heads/{}", evolution.branch);
        let commit = evolution.commit.as_str();
        let holders = self.holders(repository, commit, cancel).await?;
        if holders.is_empty() && !self.is_in_head(repository, commit, cancel).await? {
            // Somebody deleted the branch already.
            return Ok(true);
        }
        let is_alone = holders == [format!("{reference} {commit}")];
        let is_checked_out = self.is_checked_out(repository, &reference, cancel).await?;
        if !is_alone || is_checked_out || self.is_in_head(repository, commit, cancel).await? {
            return Ok(false);
        }
        let args = ["update-ref", "-d", &reference, commit];
        git(&self.runs, &repository.work_tree, &args, cancel).await?;
        Ok(true)
    }

    /// The references whose history has a commit, each with the commit it ends with.
    async fn holders(
        &self,
        repository: &Repository,
        commit: &str,
        cancel: &CancellationToken,
    ) -> Result<Vec<String>, EvolutionError> {
        let args = [
            "for-each-ref",
            "--contains",
            commit,
            "--format=%(refname) %(objectname)",
        ];
        let said = try_git(&self.runs, &repository.work_tree, &args, cancel).await?;
        Ok(said.stdout.lines().map(str::to_owned).collect())
    }

    async fn is_checked_out(
        &self,
        repository: &Repository,
        reference: &str,
        cancel: &CancellationToken,
    ) -> Result<bool, EvolutionError> {
        let args = ["worktree", "list", "--porcelain"];
        let worktrees = git(&self.runs, &repository.work_tree, &args, cancel).await?;
        Ok(worktrees
            .lines()
            .any(|line| line.strip_prefix("branch ") == Some(reference)))
    }

    async fn is_in_head(
        &self,
        repository: &Repository,
        commit: &str,
        cancel: &CancellationToken,
    ) -> Result<bool, EvolutionError> {
        let args = ["merge-base", "--is-ancestor", commit, "HEAD"];
        let said = try_git(&self.runs, &repository.work_tree, &args, cancel).await?;
        Ok(said.is_success())
    }

    /// Undoes the commit on top of what holds it: HEAD if it was merged there, else its branch.
    async fn undo(
        &self,
        repository: &Repository,
        evolution: &Evolution,
        cancel: &CancellationToken,
    ) -> Result<BranchCommit, EvolutionError> {
        let tip = if self
            .is_in_head(repository, &evolution.commit, cancel)
            .await?
        {
            repository.head.clone()
        } else {
            format!("refs/heads/{}", evolution.branch)
        };
        let id = format!("{}-revert", evolution.evolution_id);
        let worktree = Worktree::add(self, repository, &id, &tip, cancel).await?;
        let args = ["revert", "--no-commit", &evolution.commit];
        let made = try_git(&self.runs, worktree.folder(), &args, cancel).await?;
        if !made.is_success() {
            // git takes a file that an attribute converts for one that somebody changed. The index knows better.
            let (source, commit) = (repository.clone(), evolution.commit.clone());
            let place = worktree.folder().to_path_buf();
            let undone = blocking(move || source.unstage(&place, &commit)).await;
            undone.map_err(|_| EvolutionError::RevertConflict {
                commit: evolution.commit.clone(),
                why: failure(&args, &made).to_string(),
            })?;
        }
        let (message, names) = (undoing_message(evolution), revert_names(evolution));
        self.commit_on_branch(repository, &worktree, (&message, &names), cancel)
            .await
    }
}

/// The message of the commit that undoes an evolution's.
fn undoing_message(evolution: &Evolution) -> String {
    format!(
        "Take back: {}\n\nThis undoes commit {}.\n",
        message(evolution).lines().next().unwrap_or_default(),
        evolution.commit
    )
}
