//! The git command, asked about one folder.
//!
//! Git's own variables, as its hooks have them, point it to another repository whatever folder it is asked about. So they
//! are taken out of a child's environment. A hook's index is kept only where a caller asks for it.

mod bounded;
mod drivers;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub use bounded::output_within;
pub use drivers::{Configuration, may_name_drivers, without_drivers};

/// Names of git's variables begin so.
const PREFIX: &str = "GIT_";
/// Variables that configure git as a whole, and none of its repositories.
const KEPT: [&str; 6] = [
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_EXEC_PATH",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
];
/// The index that a hook's git works with.
const INDEX_FILE: &str = "GIT_INDEX_FILE";

/// Settings under which git runs no program of a repository's choice, and starts none that outlives it.
const SETTINGS: [(&str, &str); 7] = [
    ("core.fsmonitor", "false"),
    ("core.hooksPath", "/dev/null"),
    ("core.pager", "cat"),
    ("log.showSignature", "false"),
    ("commit.gpgSign", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
];
/// Variables under which git asks nobody, fetches nothing and leaves an index that is in use alone.
const VARIABLES: [(&str, &str); 5] = [
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_PAGER", "cat"),
    ("GIT_EDITOR", "true"),
];

/// git in `folder`, with nothing of another repository in its environment. It reads no input, asks nobody, and runs no hook,
/// monitor or pager. The drivers that files may have are another matter: see [`without_drivers`].
#[must_use]
pub fn command(folder: &Path) -> Command {
    let mut git = Command::new("git");
    let names = std::env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| is_of_a_repository(name)) {
        git.env_remove(name);
    }
    git.arg("-C")
        .arg(folder)
        .envs(variables())
        .stdin(Stdio::null());
    git
}

/// Variables under which git runs no hook, monitor or pager of a repository, asks nobody and fetches nothing: those that
/// [`command`] sets, for a git that is started by other means.
#[must_use]
pub fn variables() -> Vec<(OsString, OsString)> {
    with_settings(Vec::new())
}

/// The variables of every git here, with `drivers` beside the settings.
fn with_settings(drivers: Vec<(String, &'static str)>) -> Vec<(OsString, OsString)> {
    let fixed = SETTINGS.map(|(key, value)| (key.to_owned(), value));
    let settings: Vec<_> = fixed.into_iter().chain(drivers).collect();
    let count = ("GIT_CONFIG_COUNT".to_owned(), settings.len().to_string());
    let named = VARIABLES.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = settings
        .into_iter()
        .enumerate()
        .flat_map(|(number, (key, value))| {
            [
                (format!("GIT_CONFIG_KEY_{number}"), key),
                (format!("GIT_CONFIG_VALUE_{number}"), value.to_owned()),
            ]
        });
    let all = named.into_iter().chain([count]).chain(settings);
    all.map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// git in `root` as a hook of its repository needs it: with the index of the commit that is being made. `index` is the
/// hook's `GIT_INDEX_FILE`; an index of another repository is left out.
#[must_use]
pub fn command_of_hook(root: &Path, git_dir: &Path, index: Option<&OsStr>) -> Command {
    let mut git = command(root);
    let index = index
        .filter(|index| !index.is_empty())
        .map(|index| root.join(index));
    if let Some(index) = index.filter(|index| !is_elsewhere(index, git_dir)) {
        git.env(INDEX_FILE, index);
    }
    git
}

/// The index that the git around this process works with, if it is a hook's.
#[must_use]
pub fn index_of_hook() -> Option<OsString> {
    std::env::var_os(INDEX_FILE)
}

fn is_of_a_repository(name: &OsStr) -> bool {
    name.to_str()
        .is_some_and(|name| name.starts_with(PREFIX) && !KEPT.contains(&name))
}

/// Whether a file lies in the git folder of another repository.
fn is_elsewhere(file: &Path, git_dir: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let folder: Option<PathBuf> = file.parent().map(whole);
    // Every git folder, that of a worktree too, has a HEAD.
    let is_git_folder = |path: &&Path| path.join("HEAD").is_file();
    let owner = folder
        .as_deref()
        .and_then(|folder| folder.ancestors().find(is_git_folder));
    owner.is_some_and(|owner| owner != whole(git_dir))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn variables_of_a_repository_are_told_from_those_of_git() {
        for name in [
            "GIT_DIR",
            "GIT_WORK_TREE",
            "GIT_INDEX_FILE",
            "GIT_OBJECT_DIRECTORY",
            "GIT_COMMON_DIR",
            "GIT_NAMESPACE",
            "GIT_PREFIX",
            "GIT_CONFIG_PARAMETERS",
            "GIT_CONFIG_COUNT",
            "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        ] {
            assert!(is_of_a_repository(name.as_ref()), "{name}");
        }
        for name in ["GIT_CONFIG_GLOBAL", "GIT_EXEC_PATH", "HOME", "XGIT_DIR"] {
            assert!(!is_of_a_repository(name.as_ref()), "{name}");
        }
    }

    #[test]
    fn only_an_index_of_another_repository_lies_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for repository in ["own", "other"] {
            std::fs::create_dir_all(path(repository).join(".git/worktrees/tree")).unwrap();
            std::fs::write(path(repository).join(".git/HEAD"), "").unwrap();
        }
        std::fs::write(path("own/.git/worktrees/tree/HEAD"), "").unwrap();
        let own = path("own/.git");
        for (index, elsewhere) in [
            ("own/.git/index", false),
            ("own/.git/next-index-7.lock", false),
            ("temporary-index", false),
            ("other/.git/index", true),
            ("own/.git/worktrees/tree/index", true),
        ] {
            assert_eq!(is_elsewhere(&path(index), &own), elsewhere, "{index}");
        }
        let tree = path("own/.git/worktrees/tree");
        assert!(!is_elsewhere(&tree.join("index"), &tree));
    }
}
