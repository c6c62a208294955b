//! The git command, asked about one folder.
//!
//! Git's own variables, as its hooks have them, point it to another repository whatever folder it is asked about. So they
//! are taken out of a child's environment. A hook's index is kept only where a caller asks for it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

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

/// git in `folder`, with nothing of another repository in its environment. It reads no input and asks nobody.
#[must_use]
pub fn command(folder: &Path) -> Command {
    let mut git = Command::new("git");
    let names = std::env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| is_of_a_repository(name)) {
        git.env_remove(name);
    }
    git.arg("-C")
        .arg(folder)
        // A look must not refresh the index of a repository that is in use.
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null());
    git
}

/// What git answers to a question that changes nothing. What somebody killed has no answer, and is asked once more.
///
/// # Errors
/// If it cannot be run, or is killed twice.
pub fn output(command: &mut Command) -> std::io::Result<Output> {
    let first = command.output()?;
    if first.status.code().is_some() {
        return Ok(first);
    }
    let second = command.output()?;
    match second.status.code() {
        Some(_) => Ok(second),
        None => Err(std::io::Error::other(format!(
            "git was killed twice: {}",
            second.status
        ))),
    }
}

/// Variables under which git runs none of the programs that a repository's configuration names for its files: filters pass
/// contents through, and merges are git's own. Reading the configuration runs nothing.
///
/// See git-config(1), `GIT_CONFIG_COUNT`, and gitattributes(5), "filter" and "Defining a custom merge driver".
#[must_use]
pub fn without_drivers(folder: &Path) -> Vec<(OsString, OsString)> {
    let names = [
        "--name-only",
        "-z",
        "--get-regexp",
        r"^(filter|merge)\..*\.",
    ];
    let listed = output(command(folder).arg("config").args(names));
    let listed = listed.map(|output| output.stdout).unwrap_or_default();
    let keys = listed.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let settings: Vec<_> = keys
        .filter_map(|key| Some((key.to_string(), harmless_value(&key)?)))
        .collect();
    let mut variables = vec![("GIT_CONFIG_COUNT".into(), settings.len().to_string().into())];
    for (number, (key, value)) in settings.into_iter().enumerate() {
        variables.push((format!("GIT_CONFIG_KEY_{number}").into(), key.into()));
        variables.push((format!("GIT_CONFIG_VALUE_{number}").into(), value.into()));
    }
    variables
}

/// What a key of a driver is set to; `None` for one that runs nothing.
fn harmless_value(key: &str) -> Option<&'static str> {
    let (_, name) = key.rsplit_once('.')?;
    match (key.starts_with("filter."), name) {
        (true, "clean" | "smudge" | "process") => Some(""),
        (true, "required") => Some("false"),
        (false, "driver") => Some("git merge-file --marker-size=%L %A %O %B"),
        _ => None,
    }
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

    /// Runs git with the drivers of the repository taken away, and answers what it printed.
    fn harmless(folder: &Path, args: &[&str]) -> String {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@example.test"];
        let mut git = command(folder);
        git.envs(without_drivers(folder)).args(identity).args(args);
        let output = git.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn no_driver_of_a_repository_runs_and_merges_are_gits_own() {
        let folder = tempfile::tempdir().unwrap();
        let (root, ran) = (folder.path().join("tree"), folder.path().join("ran"));
        std::fs::create_dir(&root).unwrap();
        let write = |text: &str| std::fs::write(root.join("a"), text).unwrap();
        let git = |args: &[&str]| harmless(&root, args);
        git(&["init", "-q", "-b", "main"]);
        std::fs::write(root.join(".gitattributes"), "* filter=x.y merge=x.y\n").unwrap();
        let touch = format!("touch '{}'; cat", ran.display());
        for key in [
            "filter.x.y.clean",
            "filter.x.y.smudge",
            "filter.x.y.process",
            "merge.x.y.driver",
        ] {
            git(&["config", key, &touch]);
        }
        git(&["config", "filter.x.y.required", "true"]);
        write("1\n2\n3\n4\n5\n");
        git(&["add", "-A"]);
        git(&["commit", "-q", "-m", "one"]);
        git(&["checkout", "-q", "-b", "other"]);
        write("1\n2\n3\n4\nfive\n");
        assert_eq!(git(&["status", "--porcelain"]), " M a\n");
        git(&["commit", "-q", "-a", "-m", "five"]);
        git(&["checkout", "-q", "main"]);
        write("one\n2\n3\n4\n5\n");
        git(&["commit", "-q", "-a", "-m", "one in words"]);
        git(&["merge", "-q", "--no-edit", "other"]);
        let merged = std::fs::read_to_string(root.join("a")).unwrap();
        assert_eq!(merged, "one\n2\n3\n4\nfive\n");
        assert!(!ran.exists(), "a driver ran");
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
