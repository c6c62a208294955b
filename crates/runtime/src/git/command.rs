//! How git is started: with nothing of another repository in its environment, and under settings that run no program.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

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
/// monitor or pager. The drivers that files may have are another matter: see [`super::without_drivers`].
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
pub(super) fn with_settings(drivers: Vec<(String, &'static str)>) -> Vec<(OsString, OsString)> {
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

fn is_of_a_repository(name: &OsStr) -> bool {
    name.to_str()
        .is_some_and(|name| name.starts_with(PREFIX) && !KEPT.contains(&name))
}

#[cfg(test)]
mod tests {
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
}
