//! Programs that a repository's configuration names for its files, and the settings that keep git from running them.
//!
//! git is asked once for each content of the files that configure it: a change of one of them is a question anew. Where a
//! configuration includes others, which may come and go by themselves, git is asked each time. A configuration of the machine
//! that lies elsewhere than in `/etc/gitconfig` or `GIT_CONFIG_SYSTEM` is looked at with the first question alone.

use std::ffi::OsString;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::bounded::output_within;
use super::command::{command, with_settings};

/// Configurations whose drivers are remembered.
const MAX_KNOWN: usize = 32;
/// A larger configuration is asked about each time.
const MAX_CONFIGURATION_BYTES: usize = 256 << 10;

/// Keys of drivers with the values that make them harmless.
type Drivers = Vec<(String, &'static str)>;

static KNOWN: Known = Known(Mutex::new(Vec::new()));

/// Variables under which git runs none of the programs that a repository's configuration names: those of [`command`], and none
/// for its files either. Filters pass contents through, and merges are git's own. Reading the configuration runs nothing.
/// It waits for git on the thread of its caller, for `limit` at most.
///
/// See git-config(1), `GIT_CONFIG_COUNT`, and gitattributes(5), "filter" and "Defining a custom merge driver".
///
/// # Errors
/// If git cannot be run or does not say what it reads; `TimedOut` if its time was up.
pub fn without_drivers(
    folder: &Path,
    limit: Duration,
) -> std::io::Result<Vec<(OsString, OsString)>> {
    let drivers = KNOWN.of(|| Configuration::read(folder), || ask(folder, limit))?;
    Ok(with_settings(drivers))
}

/// Whether the repository around `folder` may name drivers of its own: a look at its configuration that starts no process.
/// Configurations that include others may.
#[must_use]
pub fn may_name_drivers(folder: &Path) -> bool {
    let Some(files) = files_of_repository(folder) else {
        return false;
    };
    files
        .iter()
        .filter_map(|file| std::fs::read(file).ok())
        .any(|config| {
            ["filter", "merge", "include"]
                .iter()
                .any(|it| has_section(&config, it))
        })
}

fn ask(folder: &Path, limit: Duration) -> std::io::Result<Drivers> {
    let names = [
        "--name-only",
        "-z",
        "--get-regexp",
        r"^(filter|merge)\..*\.",
    ];
    let mut git = command(folder);
    git.arg("config").args(names).env("LC_ALL", "C");
    let listed = output_within(&mut git, b"", limit)?;
    // It exits with 1 if there is none.
    if !matches!(listed.status.code(), Some(0 | 1)) {
        return Err(refusal(&listed));
    }
    let keys = listed.stdout.split(|byte| *byte == 0);
    let keys = keys.map(String::from_utf8_lossy);
    Ok(keys
        .filter_map(|key| Some((key.to_string(), harmless_value(&key)?)))
        .collect())
}

fn refusal(output: &Output) -> Error {
    let said = String::from_utf8_lossy(&output.stderr);
    match said.lines().next() {
        Some(line) => Error::other(line.to_owned()),
        None => Error::other(format!("git config: {}", output.status)),
    }
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

/// Drivers of configurations that were asked about, the newest last.
struct Known(Mutex<Vec<(Configuration, Drivers)>>);

impl Known {
    /// The drivers of what `read` finds, which `ask` tells if they are not known.
    fn of(
        &self,
        read: impl Fn() -> Option<Configuration>,
        ask: impl FnOnce() -> std::io::Result<Drivers>,
    ) -> std::io::Result<Drivers> {
        let Some(configuration) = read() else {
            return ask();
        };
        if let Some(drivers) = self.find(&configuration) {
            return Ok(drivers);
        }
        let drivers = ask()?;
        // What changed while git read it may be another one.
        if read().as_ref() == Some(&configuration) {
            self.keep(configuration, drivers.clone());
        }
        Ok(drivers)
    }

    fn find(&self, configuration: &Configuration) -> Option<Drivers> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().find(|(known, _)| known == configuration);
        found.map(|(_, drivers)| drivers.clone())
    }

    fn keep(&self, configuration: Configuration, drivers: Drivers) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == MAX_KNOWN {
            known.remove(0);
        }
        known.push((configuration, drivers));
    }
}

/// The files that configure git in a folder, as far as they are there, with their contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration(Vec<(PathBuf, Vec<u8>)>);

impl Configuration {
    /// `None` where the files alone do not tell: around no repository, with an include, or if one cannot be read.
    #[must_use]
    pub fn read(folder: &Path) -> Option<Self> {
        let files = files_of_repository(folder)?;
        // git takes a folder that is a repository itself before one above it.
        let is_repository = |it: &&Path| it.join("HEAD").is_file() && it.join("objects").is_dir();
        let below = folder
            .ancestors()
            .take_while(|it| !it.join(".git").exists());
        if below.into_iter().any(|it| is_repository(&it)) {
            return None;
        }
        let mut contents = Vec::new();
        for file in files.into_iter().chain(files_of_user()) {
            let content = match std::fs::read(&file) {
                Ok(content) => content,
                Err(why) if why.kind() == ErrorKind::NotFound => continue,
                Err(_) => return None,
            };
            if has_section(&content, "include") || content.len() > MAX_CONFIGURATION_BYTES {
                return None;
            }
            contents.push((file, content));
        }
        Some(Self(contents))
    }

    /// Whether a word stands anywhere in them, in any capitals.
    #[must_use]
    pub fn mentions(&self, word: &str) -> bool {
        let mut contents = self.0.iter().map(|(_, content)| content);
        contents.any(|content| {
            String::from_utf8_lossy(content)
                .to_lowercase()
                .contains(word)
        })
    }

    /// The names and the contents.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let parts = self.0.iter();
        parts.flat_map(|(file, content)| [file.as_os_str().as_encoded_bytes(), content.as_slice()])
    }
}

/// Whether a configuration has a section whose name begins so.
fn has_section(config: &[u8], name: &str) -> bool {
    let config = String::from_utf8_lossy(config).to_lowercase();
    config.contains(&format!("[{name}"))
}

/// The files that configure the repository around a folder; `None` around none, and for one without a working tree.
fn files_of_repository(folder: &Path) -> Option<[PathBuf; 2]> {
    let mut above = folder.ancestors().map(|above| above.join(".git"));
    let entry = above.find(|entry| entry.exists())?;
    let git_dir = linked_folder(&entry, "gitdir: ").unwrap_or(entry);
    let common = linked_folder(&git_dir.join("commondir"), "").unwrap_or_else(|| git_dir.clone());
    Some([common.join("config"), git_dir.join("config.worktree")])
}

/// The files that configure git for a user and the machine.
fn files_of_user() -> Vec<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|it| !it.is_empty());
    let home = named("HOME").map(PathBuf::from);
    let mut files = vec![named("GIT_CONFIG_SYSTEM").map_or("/etc/gitconfig".into(), PathBuf::from)];
    if let Some(global) = named("GIT_CONFIG_GLOBAL") {
        files.push(global.into());
        return files;
    }
    let of_home = home.as_ref().map(|home| home.join(".config"));
    let folder = named("XDG_CONFIG_HOME").map(PathBuf::from).or(of_home);
    files.extend(folder.map(|folder| folder.join("git/config")));
    files.extend(home.map(|home| home.join(".gitconfig")));
    files
}

/// The folder that a file of git names after `label`, relative to its own; `None` if it is no such file.
fn linked_folder(file: &Path, label: &str) -> Option<PathBuf> {
    let text = std::fs::read_to_string(file).ok()?;
    let named = text.strip_prefix(label)?.trim_end();
    Some(file.parent()?.join(named))
}

#[cfg(test)]
#[path = "drivers_tests.rs"]
mod tests;
