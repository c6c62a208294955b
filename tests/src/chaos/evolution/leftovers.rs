//! What must not be left after a kill: worktrees, branches without a commit of an evolution, locks, processes, copies.

use std::path::Path;

use shim_proto::evolution::v1::{Evolution, EvolutionState};
use tonic::Status;

use super::calls::Caller;
use super::user_project::{Fingerprint, UserProject};
use super::victims::{Processes, Victim};

/// What is wrong, in words; empty if nothing is.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    pub(super) tree: Vec<String>,
    pub(super) worktrees: Vec<String>,
    pub(super) branches: Vec<String>,
    pub(super) locks: Vec<String>,
    pub(super) processes: Vec<String>,
    pub(super) states: Vec<String>,
    pub(super) files: Vec<String>,
}

/// Where to look.
pub(super) struct Places<'a> {
    pub(super) project: &'a UserProject,
    pub(super) before: &'a Fingerprint,
    pub(super) home: &'a Path,
    pub(super) service: u32,
    /// A branch of an evolution that the user built on.
    pub(super) built_on: &'a str,
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
            ("file", &self.files),
        ]
    }

    pub(super) fn is_clean(&self) -> bool {
        self.kinds().iter().all(|(_, found)| found.is_empty())
    }

    /// Looks at everything, while no call is open.
    pub(super) async fn find(places: &Places<'_>, mut caller: Caller) -> Result<Self, Status> {
        let evolutions = caller.evolutions(&[]).await?;
        let project = places.project;
        let mut locks = Vec::new();
        find_locks(&project.root().join(".git"), &mut locks);
        Ok(Self {
            tree: project.fingerprint().difference(places.before),
            worktrees: worktrees(project),
            branches: branches(project, &evolutions, places.built_on),
            locks,
            processes: strays(places.home, places.service),
            states: states(&evolutions),
            files: unfinished(places.home),
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

/// Branches of ours that no evolution names, and evolutions whose branch is not there or has another commit.
fn branches(project: &UserProject, evolutions: &[Evolution], built_on: &str) -> Vec<String> {
    let format = "--format=%(refname:short) %(objectname)";
    let listed = project.git(&["for-each-ref", format, "refs/heads"]);
    let named = evolutions
        .iter()
        .filter(|evolution| !evolution.branch.is_empty());
    let named: Vec<String> = named
        .map(|evolution| format!("{} {}", evolution.branch, evolution.commit))
        .collect();
    let ours = listed.lines().filter(|line| line.starts_with("shim"));
    let strays = ours
        .filter(|line| !named.iter().any(|of| of == line))
        .filter(|line| built_on.is_empty() || !line.starts_with(built_on))
        .map(|line| format!("{line} is of no evolution"));
    let missing = named
        .iter()
        .filter(|of| !listed.lines().any(|line| line == of.as_str()))
        .map(|of| format!("{of} is missing"));
    strays.chain(missing).collect()
}

/// States that nothing will end, and proposals that were made twice.
fn states(evolutions: &[Evolution]) -> Vec<String> {
    let at_work = evolutions
        .iter()
        .filter(|evolution| evolution.state() == EvolutionState::Applying)
        .map(|evolution| format!("{} is still being applied", evolution.evolution_id));
    let proposed = evolutions.iter().filter(|evolution| {
        evolution.state() == EvolutionState::Proposed && evolution.transform == super::TRANSFORM
    });
    let doubled = match proposed.count() {
        0 | 1 => None,
        count => Some(format!("{count} proposals of one transform")),
    };
    at_work.chain(doubled).collect()
}

/// What work that was cut short left in the data folder and in the folder for temporary files.
fn unfinished(home: &Path) -> Vec<String> {
    let (data, mut found) = (home.join("data"), Vec::new());
    for (folder, is_left) in [
        (
            data.join("tools"),
            (|name| name.starts_with('.')) as fn(&str) -> bool,
        ),
        (data.join("evolution/worktrees"), |_| true),
        (data.join("evolution/runs"), |name| name != "tmp"),
        (home.join("tmp"), |_| true),
    ] {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let left = names.filter(|name| is_left(name));
        found.extend(left.map(|name| folder.join(name).display().to_string()));
    }
    found
}

fn find_locks(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            find_locks(&path, found);
        } else if path.extension().is_some_and(|it| it == "lock") {
            found.push(path.display().to_string());
        }
    }
}

/// Processes of this home that do not descend from the service, and those that work for it without a call.
pub(super) fn strays(home: &Path, service: u32) -> Vec<String> {
    let processes = Processes::look();
    let own = processes.below(service);
    let is_own = |pid: u32| own.iter().any(|(of, _)| *of == pid);
    // The host of the last call and the fast linter for the next one wait, each below a supervisor of its own.
    let is_waiting = |line: &str| line.contains("host.js") || line.contains("oxlint.mjs");
    let of_home = processes.of_folder(home).into_iter();
    let outside = of_home.filter(|(pid, _)| *pid != service && !is_own(*pid));
    let busy = own
        .iter()
        .filter(|(_, line)| !is_waiting(line) && !line.contains("while read -r change"))
        .filter(|(_, line)| Victim::of(line).is_some() || line.contains(&*home.to_string_lossy()))
        .cloned();
    let found = outside.chain(busy);
    found.map(|(pid, line)| format!("{pid} {line}")).collect()
}
