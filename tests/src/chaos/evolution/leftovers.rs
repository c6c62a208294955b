//! What must not be left after a kill: worktrees, branches without a commit of an evolution, locks, processes.

use std::path::Path;

use shim_proto::evolution::v1::EvolutionState;
use tonic::Status;

use super::calls::Caller;
use super::user_project::{Fingerprint, UserProject};
use super::victims::{descendants, processes_of};

/// What is wrong, in words; empty if nothing is.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    pub(super) tree: Vec<String>,
    pub(super) worktrees: Vec<String>,
    pub(super) branches: Vec<String>,
    pub(super) locks: Vec<String>,
    pub(super) processes: Vec<String>,
    pub(super) states: Vec<String>,
    pub(super) installations: Vec<String>,
}

impl Leftovers {
    /// Each kind with what was found of it.
    pub(super) fn kinds(&self) -> [(&'static str, &[String]); 7] {
        [
            ("tree", &self.tree),
            ("worktree", &self.worktrees),
            ("branch", &self.branches),
            ("lock", &self.locks),
            ("process", &self.processes),
            ("state", &self.states),
            ("installation", &self.installations),
        ]
    }

    pub(super) fn is_clean(&self) -> bool {
        self.kinds().iter().all(|(_, found)| found.is_empty())
    }

    /// Looks at everything, while no call is open.
    pub(super) async fn find(
        project: &UserProject,
        before: &Fingerprint,
        home: &Path,
        service: u32,
        mut caller: Caller,
    ) -> Result<Self, Status> {
        let kept = caller.evolutions(&[EvolutionState::Committed]).await?;
        let at_work = caller.evolutions(&[EvolutionState::Applying]).await?;
        Ok(Self {
            tree: project.fingerprint().difference(before),
            worktrees: worktrees(project),
            branches: branches(project, &kept),
            locks: locks(&project.root().join(".git")),
            processes: strays(home, service),
            installations: unfinished(&home.join("data/tools")),
            states: at_work
                .into_iter()
                .map(|(id, _)| format!("{id} is still being applied"))
                .collect(),
        })
    }
}

fn worktrees(project: &UserProject) -> Vec<String> {
    let listed = project.git(&["worktree", "list", "--porcelain"]);
    let others = listed
        .lines()
        .filter_map(|line| line.strip_prefix("worktree "));
    others
        .filter(|path| Path::new(path) != project.root())
        .map(str::to_owned)
        .collect()
}

/// Branches that no evolution names. (One whose branch is gone is a revert that was cut short; it can be made again.)
fn branches(project: &UserProject, kept: &[(String, String)]) -> Vec<String> {
    let listed = project.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
    let strays = listed
        .lines()
        .filter(|branch| *branch != "main" && !kept.iter().any(|(_, of)| of == branch));
    strays.map(str::to_owned).collect()
}

/// Folders of installations that were cut short.
fn unfinished(tools: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(tools).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with('.')).collect()
}

fn locks(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(locks(&path));
        } else if path.extension().is_some_and(|it| it == "lock") {
            found.push(path.display().to_string());
        }
    }
    found
}

/// Processes of this home that do not descend from the service, and those that work for it without a call.
fn strays(home: &Path, service: u32) -> Vec<String> {
    let own = descendants(service);
    let is_own = |pid: u32| pid == service || own.contains(&pid);
    let is_idle_host = |line: &str| line.contains("host.js");
    let strays = processes_of(home).into_iter().filter(|(pid, line)| {
        // The host of the last call waits for the next.
        !is_own(*pid) || (*pid != service && !is_idle_host(line))
    });
    strays.map(|(pid, line)| format!("{pid} {line}")).collect()
}
