//! The commit of an evolution: its message, and the branch that begins to exist with it.

use std::path::Path;

use shim_proto::evolution::v1::Evolution;
use tokio_util::sync::CancellationToken;

use super::commands::{failure, git, try_git};
use super::context::Evolver;
use super::repository::Repository;
use super::worktree::Worktree;
use crate::domain::evolution::entry;
use crate::error::EvolutionError;

/// The line of a commit that names its evolution.
pub(super) const TRAILER: &str = "Shim-Evolution";
/// Digits of an id in the name of a branch: its last ones, which are random.
const ID_DIGITS: usize = 8;

/// The message of an evolution's commit.
pub(super) fn message(evolution: &Evolution) -> String {
    let transform = &evolution.transform;
    let subject = entry(transform).map_or_else(
        || format!("Change code by {transform}"),
        |entry| entry.description.trim_end_matches('.').to_owned(),
    );
    format!(
        "{subject}\n\n{}\n\n{TRAILER}: {}\n",
        evolution.why, evolution.evolution_id
    )
}

/// Names of an evolution's branch: the usual one, and one for a repository with a branch named `shim`.
pub(super) fn branch_names(evolution: &Evolution) -> [String; 2] {
    names("", evolution)
}

/// Names of the branch of a commit that takes an evolution back.
pub(super) fn revert_names(evolution: &Evolution) -> [String; 2] {
    names("revert-", evolution)
}

fn names(prefix: &str, evolution: &Evolution) -> [String; 2] {
    let id = evolution.evolution_id.as_str();
    let short = &id[id.len().saturating_sub(ID_DIGITS)..];
    let name = format!("{prefix}{}-{short}", evolution.transform.replace('_', "-"));
    [format!("shim/{name}"), format!("shim-{name}")]
}

/// A commit, and the branch that ends with it.
pub(super) struct BranchCommit {
    pub(super) branch: String,
    pub(super) commit: String,
}

impl Evolver {
    /// Commits what is staged in a worktree, on the first branch of these names that can be made.
    ///
    /// # Errors
    /// If git fails or the call is cancelled.
    pub(super) async fn commit_on_branch(
        &self,
        repository: &Repository,
        worktree: &Worktree,
        (message, names): (&str, &[String]),
        cancel: &CancellationToken,
    ) -> Result<BranchCommit, EvolutionError> {
        let folder = worktree.folder();
        self.commit_staged(folder, message, cancel).await?;
        let commit = git(&self.runs, folder, &["rev-parse", "HEAD"], cancel).await?;
        let commit = commit.trim().to_owned();
        let branch = self.branch(repository, names, &commit, cancel).await?;
        Ok(BranchCommit { branch, commit })
    }

    /// Commits what is staged, under the user's name if git knows one.
    async fn commit_staged(
        &self,
        folder: &Path,
        message: &str,
        cancel: &CancellationToken,
    ) -> Result<(), EvolutionError> {
        let has_name = try_git(&self.runs, folder, &["var", "GIT_COMMITTER_IDENT"], cancel)
            .await?
            .is_success();
        let mut args = if has_name {
            vec![]
        } else {
            vec!["-c", "user.name=SHIM", "-c", "user.email=shim@localhost"]
        };
        args.extend([
            "commit",
            "--quiet",
            "--no-verify",
            "--cleanup=verbatim",
            "-m",
            message,
        ]);
        git(&self.runs, folder, &args, cancel).await.map(|_| ())
    }

    /// Makes the first branch of these names that can be made.
    async fn branch(
        &self,
        repository: &Repository,
        names: &[String],
        commit: &str,
        cancel: &CancellationToken,
    ) -> Result<String, EvolutionError> {
        let mut refused = None;
        for name in names {
            let reference = format!("refs/heads/{name}");
            let unborn = "0".repeat(commit.len());
            let args = ["update-ref", &reference, commit, &unborn];
            let made = try_git(&self.runs, &repository.work_tree, &args, cancel).await?;
            if made.is_success() {
                return Ok(name.clone());
            }
            refused = Some(failure(&args, &made));
        }
        Err(refused.unwrap_or(EvolutionError::Stopping))
    }
}
