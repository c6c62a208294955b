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

/// Variables under which git runs none of the programs that a repository's configuration names: those of [`command`], and none
/// for its files either. Filters pass contents through, and merges are git's own. Reading the configuration runs nothing.
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
    let drivers = keys.filter_map(|key| Some((key.to_string(), harmless_value(&key)?)));
    with_settings(drivers.collect())
}

/// Whether the repository around `folder` may name drivers of its own: a look at its configuration that starts no process.
/// Configurations that include others may.
#[must_use]
pub fn may_name_drivers(folder: &Path) -> bool {
    let Some(entry) = folder
        .ancestors()
        .map(|above| above.join(".git"))
        .find(|entry| entry.exists())
    else {
        return false;
    };
    let git_dir = linked_folder(&entry, "gitdir: ").unwrap_or(entry);
    let common = linked_folder(&git_dir.join("commondir"), "").unwrap_or_else(|| git_dir.clone());
    let files = [common.join("config"), git_dir.join("config.worktree")];
    files
        .iter()
        .filter_map(|file| std::fs::read(file).ok())
        .any(|config| {
            let config = String::from_utf8_lossy(&config).to_lowercase();
            ["filter", "merge", "include"]
                .iter()
                .any(|section| config.contains(&format!("[{section}")))
        })
}

/// The folder that a file of git names after `label`, relative to its own; `None` if it is no such file.
fn linked_folder(file: &Path, label: &str) -> Option<PathBuf> {
    let text = std::fs::read_to_string(file).ok()?;
    let named = text.strip_prefix(label)?.trim_end();
    Some(file.parent()?.join(named))
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

    #[test]
    fn a_repository_that_may_name_drivers_is_told_by_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
        std::fs::create_dir_all(path("main/.git/worktrees/w")).unwrap();
        std::fs::create_dir_all(path("w/deep")).unwrap();
        write(
            "w/.git",
            &format!("gitdir: {}\n", path("main/.git/worktrees/w").display()),
        );
        write("main/.git/worktrees/w/commondir", "../..\n");
        assert!(
            !may_name_drivers(&path("w/deep")),
            "there is no configuration"
        );
        for (config, may) in [
            (
                "[core]\n\tbare = false\n[remote \"filter\"]\n\turl = x\n",
                false,
            ),
            ("[core]\n[Filter \"x\"]\n\tclean = cat\n", true),
            ("[merge \"x\"]\n\tdriver = cat\n", true),
            ("[include]\n\tpath = other\n", true),
            ("[includeIf \"gitdir:x\"]\n\tpath = other\n", true),
            ("[filter.x]\n\tclean = cat\n", true),
        ] {
            write("main/.git/config", config);
            assert_eq!(may_name_drivers(&path("w/deep")), may, "{config}");
            assert_eq!(may_name_drivers(&path("main")), may, "{config}");
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
