//! A decision about an evolution: turned down, or applied, verified, and committed or discarded.

use std::collections::BTreeSet;

use shim_proto::evolution::v1::{Check, Evolution, EvolutionState, FileChange};

use super::apply::outdated;
use super::commit::{BranchCommit, branch_names, message};
use super::context::{Evolver, Watch};
use super::repository::Repository;
use super::worktree::Worktree;
use crate::error::EvolutionError;
use crate::project::Project;
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
        let evolution = self
            .store
            .evolution(&approval.evolution_id)
            .await?
            .evolution;
        let files = chosen(&evolution, &approval.paths)?;
        let begun = change(approval, EvolutionState::Proposed, EvolutionState::Applying);
        self.store.change_state(begun, |_| {}).await?;
        let mut checks = Vec::new();
        let end = self
            .carry_out(project, &evolution, &files, &mut checks, watch)
            .await;
        self.ended(approval, end, checks, files).await
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
                self.store.change_state(change, |_| {}).await?;
                return Err(error);
            }
        };
        let kept: BTreeSet<String> = files.into_iter().map(|file| file.path).collect();
        self.store
            .change_state(change, move |evolution| {
                evolution.checks = checks;
                match end {
                    End::Committed(made) => {
                        evolution.files.retain(|file| kept.contains(&file.path));
                        (evolution.branch, evolution.commit) = (made.branch, made.commit);
                    }
                    End::Discarded { reason } => evolution.reason = reason,
                    End::Outdated { path } => {
                        evolution.reason =
                            format!("{path} was committed anew since it was proposed");
                    }
                }
            })
            .await
    }

    async fn carry_out(
        &self,
        project: &Project,
        evolution: &Evolution,
        files: &[FileChange],
        checks: &mut Vec<Check>,
        watch: Watch<'_>,
    ) -> Result<End, EvolutionError> {
        let repository = Repository::of(project)?;
        if let Some(path) = outdated(&repository, files).await? {
            return Ok(End::Outdated { path });
        }
        watch
            .progress
            .tell("worktree", "checking the commit out", 0, 0);
        let id = &evolution.evolution_id;
        let worktree = Worktree::add(self, &repository, id, &repository.head, watch.cancel).await?;
        let root = worktree.folder().join(&repository.prefix);
        let baseline = self.baseline(project, &root, watch).await?;
        watch.progress.tell("apply", "applying the change", 0, 0);
        let applied = self
            .apply(&repository, worktree.folder(), files, watch.cancel)
            .await?;
        let fault = self
            .verify(project, &root, &applied, baseline, checks, watch)
            .await?;
        if let Some(reason) = fault {
            return Ok(End::Discarded { reason });
        }
        let (message, names) = (message(evolution), branch_names(evolution));
        let made = self
            .commit_on_branch(&repository, &worktree, (&message, &names), watch.cancel)
            .await?;
        Ok(End::Committed(made))
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
