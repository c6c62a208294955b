//! The commit of an evolution: its message, and the branch that begins to exist with it.

use std::path::Path;

use shim_proto::evolution::v1::Evolution;
use tokio_util::sync::CancellationToken;

use super::commands::{ask_git, git};
use super::context::Evolver;
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
    /// Commits what is staged in a worktree, on no branch yet, and answers the commit: under the user's name if git knows one.
    ///
    /// # Errors
    /// If git fails or the call is cancelled.
    pub(super) async fn commit_staged(
        &self,
        folder: &Path,
        message: &str,
        cancel: &CancellationToken,
    ) -> Result<String, EvolutionError> {
        let has_name = ask_git(&self.runs, folder, &["var", "GIT_COMMITTER_IDENT"], cancel)
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
        git(&self.runs, folder, &args, cancel).await?;
        let commit = git(&self.runs, folder, &["rev-parse", "HEAD"], cancel).await?;
        Ok(commit.trim().to_owned())
    }
}
