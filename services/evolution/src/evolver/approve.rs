//! A decision about an evolution: turned down, or applied, verified, and committed or discarded.

use std::collections::BTreeSet;

use shim_proto::evolution::v1::{Check, Evolution, EvolutionState, FileChange};
use tokio_util::sync::CancellationToken;

use super::apply::outdated;
use super::commit::{BranchCommit, branch_names, message};
use super::context::{Evolver, Watch};
use super::repository::Repository;
use super::worktree::Worktree;
use crate::domain::patterns::state_word;
use crate::error::EvolutionError;
use crate::project::Project;
use crate::spans::stage;
use crate::store::StateChange;

/// A decision.
#[derive(Debug, Clone, Default)]
pub(crate) struct Approval {
    /// The evolution's whole id.
    pub(crate) evolution_id: String,
    /// Why it is turned down.
    pub(crate) reason: String,
    /// Only these of its files; all if empty.
    pub(crate) paths: Vec<String>,
    /// The request that decides.
    pub(crate) request_id: String,
}

/// Where an approved evolution ends.
enum End {
    Committed(BranchCommit),
    Discarded { reason: String },
    Outdated { path: String },
}

impl Evolver {
    /// Turns a proposal down.
    ///
    /// # Errors
    /// If it is in another state; the store's failures.
    pub(crate) async fn reject(&self, approval: &Approval) -> Result<Evolution, EvolutionError> {
        let change = change(approval, EvolutionState::Proposed, EvolutionState::Rejected);
        let reason = approval.reason.clone();
        self.store
            .change_state(change, move |evolution| evolution.reason = reason)
            .await
    }

    /// Applies a proposal in a worktree of its own, verifies it, and commits or discards it. If the work fails or is cancelled, it is
    /// a proposal again.
    ///
    /// # Errors
    /// If it is in another state, the project's tests cannot show anything, a tool or git fails, or the call is cancelled.
    pub(crate) async fn approve(
        &self,
        project: &Project,
        approval: &Approval,
        watch: Watch<'_>,
    ) -> Result<Evolution, EvolutionError> {
        let Some(_work) = self.at_work.begin(&approval.evolution_id) else {
            return Err(EvolutionError::WrongState {
                evolution: approval.evolution_id.clone(),
                state: state_word(EvolutionState::Applying),
                expected: state_word(EvolutionState::Proposed),
            });
        };
        let found = self.store.evolution(&approval.evolution_id).await?;
        let evolution = found.evolution;
        let files = chosen(&evolution, &approval.paths)?;
        let begun = change(approval, EvolutionState::Proposed, EvolutionState::Applying);
        self.store.change_state(begun, |_| {}).await?;
        let mut checks = Vec::new();
        let asked = (approval, files.as_slice());
        let carried_out = self.carry_out(project, &evolution, asked, &mut checks, watch);
        let end = Box::pin(carried_out).await;
        let made = match &end {
            Ok(End::Committed(made)) => Some((made.branch.clone(), made.commit.clone())),
            _ => None,
        };
        let ended = self.ended(approval, end, checks, files).await;
        if let (Err(_), Some((branch, commit))) = (&ended, made) {
            self.take_branch_back(project, &branch, &commit).await;
        }
        ended
    }

    /// Ends a branch that could not be noted. If that fails too, the next look at the evolution finds it as committed.
    async fn take_branch_back(&self, project: &Project, branch: &str, commit: &str) {
        let cancel = CancellationToken::new();
        let ending = self.end_branch(project.root(), branch, commit, &cancel);
        if let Err(why) = ending.await {
            tracing::warn!(%why, branch, "the branch of an evolution that could not be noted stays");
        }
    }

    async fn ended(
        &self,
        approval: &Approval,
        end: Result<End, EvolutionError>,
        checks: Vec<Check>,
        files: Vec<FileChange>,
    ) -> Result<Evolution, EvolutionError> {
        let to = match &end {
            Ok(End::Committed(_)) => EvolutionState::Committed,
            Ok(End::Discarded { .. }) => EvolutionState::Discarded,
            Ok(End::Outdated { .. }) => EvolutionState::Outdated,
            Err(_) => EvolutionState::Proposed,
        };
        let change = change(approval, EvolutionState::Applying, to);
        let end = match end {
            Ok(end) => end,
            Err(error) => {
                // If it cannot be noted now, on a full disk, the next look at the evolution does.
                let undone = self
                    .store
                    .change_state(change, |evolution| evolution.checks.clear());
                if let Err(why) = undone.await {
                    tracing::warn!(%why, evolution = approval.evolution_id, "an evolution is told as being applied for now");
                }
                return Err(error);
            }
        };
        let kept: BTreeSet<String> = files.into_iter().map(|file| file.path).collect();
        self.store
            .change_state(change, move |evolution| {
                evolution.checks = checks;
                note_end(evolution, end, &kept);
            })
            .await
    }

    async fn carry_out(
        &self,
        project: &Project,
        evolution: &Evolution,
        (approval, files): (&Approval, &[FileChange]),
        checks: &mut Vec<Check>,
        watch: Watch<'_>,
    ) -> Result<End, EvolutionError> {
        let repository = Repository::of(project)?;
        if let Some(path) = outdated(&repository, files).await? {
            return Ok(End::Outdated { path });
        }
        let progress = watch.progress;
        progress.tell("worktree", "checking the commit out", 0, 0);
        let id = &evolution.evolution_id;
        let worktree = Worktree::add(self, &repository, id, &repository.head, watch.cancel).await?;
        let root = worktree.folder().join(&repository.prefix);
        let baseline = stage("look before", self.baseline(project, &root, watch)).await?;
        progress.tell("apply", "applying the change", 0, 0);
        let applied = self
            .apply(&repository, worktree.folder(), files, watch.cancel)
            .await?;
        let verification = self.verify(project, &root, &applied, baseline, checks, watch);
        if let Some(reason) = stage("verify", verification).await? {
            return Ok(End::Discarded { reason });
        }
        let commit = self.commit(
            approval,
            evolution,
            &repository,
            &worktree,
            checks,
            watch.cancel,
        );
        stage("commit", commit).await.map(End::Committed)
    }

    async fn commit(
        &self,
        approval: &Approval,
        evolution: &Evolution,
        repository: &Repository,
        worktree: &Worktree,
        checks: &[Check],
        cancel: &CancellationToken,
    ) -> Result<BranchCommit, EvolutionError> {
        let commit = self
            .commit_staged(worktree.folder(), &message(evolution), cancel)
            .await?;
        self.note_checks(approval, checks).await?;
        let names = branch_names(evolution);
        let branch = self
            .make_branch(&repository.work_tree, &names, &commit, cancel)
            .await?;
        Ok(BranchCommit { branch, commit })
    }

    /// Notes what verification said before the branch is made: whoever finds the branch after a crash finds that, too.
    async fn note_checks(
        &self,
        approval: &Approval,
        checks: &[Check],
    ) -> Result<(), EvolutionError> {
        let unchanged = change(approval, EvolutionState::Applying, EvolutionState::Applying);
        let checks = checks.to_vec();
        let noted = self
            .store
            .change_state(unchanged, move |evolution| evolution.checks = checks);
        noted.await.map(|_| ())
    }
}

/// Notes how an approval ended; of a committed evolution the files that it changed are kept.
fn note_end(evolution: &mut Evolution, end: End, kept: &BTreeSet<String>) {
    match end {
        End::Committed(made) => {
            evolution.files.retain(|file| kept.contains(&file.path));
            (evolution.branch, evolution.commit) = (made.branch, made.commit);
        }
        End::Discarded { reason } => evolution.reason = reason,
        End::Outdated { path } => {
            evolution.reason = format!("{path} was committed anew since it was proposed");
        }
    }
}

fn change(approval: &Approval, from: EvolutionState, to: EvolutionState) -> StateChange {
    StateChange {
        evolution_id: approval.evolution_id.clone(),
        from,
        to,
        request_id: approval.request_id.clone(),
    }
}

/// The files of an evolution that are approved.
fn chosen(evolution: &Evolution, paths: &[String]) -> Result<Vec<FileChange>, EvolutionError> {
    if paths.is_empty() {
        return Ok(evolution.files.clone());
    }
    let has = |path: &&String| !evolution.files.iter().any(|file| file.path == **path);
    if let Some(unknown) = paths.iter().find(has) {
        return Err(EvolutionError::PathUnknown(unknown.clone()));
    }
    let files = evolution
        .files
        .iter()
        .filter(|file| paths.contains(&file.path));
    Ok(files.cloned().collect())
}
