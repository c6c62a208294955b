//! What a crash left: worktrees, and evolutions that were being applied.

use shim_proto::evolution::v1::{Evolution, EvolutionState};
use tokio_util::sync::CancellationToken;

use super::Evolver;
use super::commands::try_git;
use super::worktree;
use crate::domain::evolution::entry;
use crate::error::EvolutionError;
use crate::store::StateChange;

/// The line of a commit that names its evolution.
const TRAILER: &str = "Shim-Evolution";
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

impl Evolver {
    /// Ends what a crash left unfinished. It is called once, before the first evolution is decided.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn recover(&self) -> Result<(), EvolutionError> {
        let folder = self.worktrees.clone();
        // A panic there is told by the runtime; what is left stays for the next start.
        let _ = tokio::task::spawn_blocking(move || worktree::sweep(&folder)).await;
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
