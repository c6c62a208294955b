//! A committed evolution taken back: its branch goes if nobody built on it, else a commit on a branch of its own undoes it.

use std::path::Path;

use shim_proto::evolution::v1::{Evolution, EvolutionState};
use tokio_util::sync::CancellationToken;

use super::apply::blocking;
use super::commands::{ask_git, failure, try_git};
use super::commit::{BranchCommit, message, revert_names};
use super::context::Evolver;
use super::recover::root_of;
use super::repository::Repository;
use super::reverting::Reversion;
use super::worktree::Worktree;
use crate::domain::patterns::state_word;
use crate::error::EvolutionError;
use crate::project::Project;
use crate::store::StateChange;

impl Evolver {
    /// Takes a committed evolution back. Its `commit` is then the one that undoes it, or empty if its branch was deleted. A request
    /// that did so before gets the evolution as it is.
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
        let _work = self.at_work.begin_when_free(evolution_id).await;
        let found = self.store.evolution(evolution_id).await?;
        let evolution = found.evolution;
        match evolution.state() {
            EvolutionState::Committed => {}
            EvolutionState::Reverted
                if !request_id.is_empty() && found.request_id == request_id =>
            {
                return Ok(evolution);
            }
            state => {
                return Err(EvolutionError::WrongState {
                    evolution: evolution.evolution_id,
                    state: state_word(state),
                    expected: state_word(EvolutionState::Committed),
                });
            }
        }
        let repository = Repository::of(project)?;
        let note = Reversion::new(&repository, &evolution, request_id, reason);
        note.write(&self.worktrees)?;
        let done = self.take_back(&repository, &evolution, cancel).await;
        self.taken_back(&note, &evolution, done).await
    }

    async fn take_back(
        &self,
        repository: &Repository,
        evolution: &Evolution,
        cancel: &CancellationToken,
    ) -> Result<BranchCommit, EvolutionError> {
        if self.delete_branch(repository, evolution, cancel).await? {
            return Ok(BranchCommit {
                branch: String::new(),
                commit: String::new(),
            });
        }
        self.undo(repository, evolution, cancel).await
    }

    /// Notes how a reversion ended. A failure may have come after its change: what git says counts.
    async fn taken_back(
        &self,
        note: &Reversion,
        evolution: &Evolution,
        done: Result<BranchCommit, EvolutionError>,
    ) -> Result<Evolution, EvolutionError> {
        let made = match done {
            Ok(made) => made,
            Err(error) => match self.undone_as(evolution).await {
                Ok(Some(made)) => made,
                Ok(None) => {
                    note.remove(&self.worktrees);
                    return Err(error);
                }
                // The note stays until git can tell.
                Err(_) => return Err(error),
            },
        };
        let change = StateChange {
            evolution_id: evolution.evolution_id.clone(),
            from: EvolutionState::Committed,
            to: EvolutionState::Reverted,
            request_id: note.request_id.clone(),
        };
        let reason = note.reason.clone();
        let noted = self.store.change_state(change, move |evolution| {
            (evolution.branch, evolution.commit) = (made.branch, made.commit);
            evolution.reason = reason;
        });
        let noted = noted.await?;
        note.remove(&self.worktrees);
        Ok(noted)
    }

    /// Ends the reversions that a crash, or a full disk, left unfinished: those that changed a branch are noted, others are forgotten.
    pub(crate) async fn settle_reversions(&self) {
        for note in Reversion::all(&self.worktrees) {
            if let Err(error) = self.settle_reversion(&note).await {
                tracing::warn!(%error, evolution = note.evolution_id, "a reversion is looked at again at the next start");
            }
        }
    }

    async fn settle_reversion(&self, note: &Reversion) -> Result<(), EvolutionError> {
        let _work = self.at_work.begin_when_free(&note.evolution_id).await;
        let found = self.store.evolution(&note.evolution_id).await;
        let evolution = match found {
            Ok(found) if found.evolution.state() == EvolutionState::Committed => found.evolution,
            Ok(_) | Err(EvolutionError::EvolutionUnknown(_)) => {
                note.remove(&self.worktrees);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        match self.undone_as(&evolution).await? {
            Some(made) => self
                .taken_back(note, &evolution, Ok(made))
                .await
                .map(|_| ()),
            None => {
                note.remove(&self.worktrees);
                Ok(())
            }
        }
    }

    /// What undoes an evolution already: a branch of its own, or nothing but the end of its branch; `None` if it is still there.
    async fn undone_as(
        &self,
        evolution: &Evolution,
    ) -> Result<Option<BranchCommit>, EvolutionError> {
        let Some(root) = root_of(evolution) else {
            return Ok(None);
        };
        if let Some(made) = self.undoing_branch(&root, evolution).await? {
            return Ok(Some(made));
        }
        let cancel = CancellationToken::new();
        let commit = evolution.commit.as_str();
        let is_gone = self.holders(&root, commit, &cancel).await?.is_empty()
            && !self.is_in_head(&root, commit, &cancel).await?;
        Ok(is_gone.then(|| BranchCommit {
            branch: String::new(),
            commit: String::new(),
        }))
    }

    /// The branch that an earlier attempt made to undo an evolution.
    async fn undoing_branch(
        &self,
        root: &Path,
        evolution: &Evolution,
    ) -> Result<Option<BranchCommit>, EvolutionError> {
        let says = undoing_line(evolution);
        self.branch_that_says(root, &revert_names(evolution), &says)
            .await
    }

    /// Deletes the branch if it ends with the evolution's commit, nobody merged that, and nobody has it checked out.
    async fn delete_branch(
        &self,
        repository: &Repository,
        evolution: &Evolution,
        cancel: &CancellationToken,
    ) -> Result<bool, EvolutionError> {
        let root = repository.work_tree.as_path();
        let reference = format!("refs/heads/{}", evolution.branch);
        let commit = evolution.commit.as_str();
        let holders = self.holders(root, commit, cancel).await?;
        let is_merged = self.is_in_head(root, commit, cancel).await?;
        if holders.is_empty() && !is_merged {
            // Somebody deleted the branch already.
            return Ok(true);
        }
        let is_alone = holders == [format!("{reference} {commit}")];
        if !is_alone || is_merged || self.is_checked_out(root, &reference, cancel).await? {
            return Ok(false);
        }
        self.end_branch(root, &evolution.branch, commit, cancel)
            .await?;
        Ok(true)
    }

    /// The references whose history has a commit, each with the commit it ends with.
    async fn holders(
        &self,
        root: &Path,
        commit: &str,
        cancel: &CancellationToken,
    ) -> Result<Vec<String>, EvolutionError> {
        let args = [
            "for-each-ref",
            "--contains",
            commit,
            "--format=%(refname) %(objectname)",
        ];
        let said = ask_git(&self.runs, root, &args, cancel).await?;
        Ok(said.stdout.lines().map(str::to_owned).collect())
    }

    async fn is_checked_out(
        &self,
        root: &Path,
        reference: &str,
        cancel: &CancellationToken,
    ) -> Result<bool, EvolutionError> {
        let args = ["worktree", "list", "--porcelain"];
        let said = ask_git(&self.runs, root, &args, cancel).await?;
        if !said.is_success() {
            return Err(failure(&args, &said));
        }
        let mut lines = said.stdout.lines();
        Ok(lines.any(|line| line.strip_prefix("branch ") == Some(reference)))
    }

    async fn is_in_head(
        &self,
        root: &Path,
        commit: &str,
        cancel: &CancellationToken,
    ) -> Result<bool, EvolutionError> {
        let args = ["merge-base", "--is-ancestor", commit, "HEAD"];
        let said = ask_git(&self.runs, root, &args, cancel).await?;
        Ok(said.is_success())
    }

    /// Undoes the commit on top of what holds it: HEAD if it was merged there, else its branch.
    async fn undo(
        &self,
        repository: &Repository,
        evolution: &Evolution,
        cancel: &CancellationToken,
    ) -> Result<BranchCommit, EvolutionError> {
        let root = repository.work_tree.as_path();
        if let Some(made) = self.undoing_branch(root, evolution).await? {
            return Ok(made);
        }
        let tip = if self.is_in_head(root, &evolution.commit, cancel).await? {
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
        let commit = self
            .commit_staged(worktree.folder(), &message, cancel)
            .await?;
        let branch = self.make_branch(root, &names, &commit, cancel).await?;
        Ok(BranchCommit { branch, commit })
    }
}

/// The line of a commit that names the commit it undoes.
fn undoing_line(evolution: &Evolution) -> String {
    format!("This undoes commit {}.", evolution.commit)
}

/// The message of the commit that undoes an evolution's.
fn undoing_message(evolution: &Evolution) -> String {
    format!(
        "Take back: {}\n\n{}\n",
        message(evolution).lines().next().unwrap_or_default(),
        undoing_line(evolution)
    )
}
