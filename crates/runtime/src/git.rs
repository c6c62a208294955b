//! The git command, asked about one folder.
//!
//! Git's own variables, as its hooks have them, point it to another repository whatever folder it is asked about. So they
//! are taken out of a child's environment. A hook's index is kept only where a caller asks for it.

mod bounded;
mod command;
mod drivers;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

pub use bounded::output_within;
pub use command::{command, variables};
pub use drivers::{Configuration, may_name_drivers, without_drivers};

/// The index that a hook's git works with.
const INDEX_FILE: &str = "GIT_INDEX_FILE";

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
