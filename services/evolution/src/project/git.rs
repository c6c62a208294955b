//! What git says of a project. It is asked without anything of the repository's configuration that would run a program.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use shim_exec::first_line;
use shim_runtime::git::{self, output_within};

use crate::programs::crash;

/// One question to git. Only a file system that does not answer takes longer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// Why git does not let us use a repository that is there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GitRefusal {
    /// Nothing is checked out there.
    #[error("it is a repository without a working tree")]
    Bare,
    /// git does not trust its owner.
    #[error("its repository belongs to another user, so git does not use it")]
    Foreign,
    /// There is no git, or it cannot be started.
    #[error("git cannot be run: {0}")]
    Missing(String),
    /// git said something else, or nothing.
    #[error("{0}")]
    Other(String),
}

/// A project's git repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GitFacts {
    /// The top of the working tree.
    pub(crate) work_tree: PathBuf,
    /// The folder of its index and HEAD; of a linked worktree, its own.
    pub(crate) git_dir: PathBuf,
    /// The folder of the repository's objects and branches.
    pub(crate) common_dir: PathBuf,
    /// The commit that HEAD names, in hex; `None` before the first commit.
    pub(crate) head: Option<String>,
    /// The branch; `None` for a detached head.
    pub(crate) branch: Option<String>,
    /// Files that differ from HEAD, and files that git does not know, relative to the working tree; of the whole tree.
    pub(crate) changed: Vec<String>,
}

impl GitFacts {
    /// Whether files differ from HEAD.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Whether it is a worktree beside the repository's main one.
    #[cfg(test)]
    pub(crate) fn is_linked(&self) -> bool {
        self.git_dir != self.common_dir
    }

    /// The repository around a folder. `Ok(None)` if there is none.
    ///
    /// # Errors
    /// If git refuses a repository that is there, does not answer, or is itself not there.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>, GitRefusal> {
        let asked = [
            "rev-parse",
            "--is-inside-work-tree",
            "--show-toplevel",
            "--absolute-git-dir",
            "--git-common-dir",
        ];
        let output = ask(git::command(folder), &asked)?;
        if !output.status.success() {
            return refusal(&output);
        }
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let [inside, work_tree, git_dir, common_dir] = said.lines().collect::<Vec<_>>()[..] else {
            let said = format!("git answered {:?}", first_line(&said, 100));
            return Err(GitRefusal::Other(said));
        };
        if inside != "true" {
            return Err(GitRefusal::Bare);
        }
        let work_tree = PathBuf::from(work_tree);
        let common_dir = folder.join(common_dir);
        let mut facts = Self {
            work_tree,
            git_dir: PathBuf::from(git_dir),
            common_dir: common_dir.canonicalize().unwrap_or(common_dir),
            head: None,
            branch: None,
            changed: Vec::new(),
        };
        facts.read_status(folder)?;
        Ok(Some(facts))
    }

    fn read_status(&mut self, folder: &Path) -> Result<(), GitRefusal> {
        let asked = [
            "status",
            "--porcelain=v2",
            "--branch",
            "-z",
            "--untracked-files=normal",
            "--ignore-submodules=dirty",
            "--no-renames",
        ];
        let mut command = git::command(folder);
        // Only the status looks into files, and would have them filtered.
        let harmless = git::without_drivers(folder, ANSWERS_WITHIN);
        command.envs(harmless.map_err(|why| unanswered("config", &why))?);
        let output = ask(command, &asked)?;
        if !output.status.success() {
            return Err(other(&output));
        }
        for entry in output.stdout.split(|byte| *byte == 0) {
            self.take(&String::from_utf8_lossy(entry));
        }
        Ok(())
    }

    /// Takes an entry of the status; see git-status(1), "Porcelain Format Version 2".
    fn take(&mut self, entry: &str) {
        if let Some(head) = entry.strip_prefix("# branch.oid ") {
            self.head = (head != "(initial)").then(|| head.to_owned());
        } else if let Some(branch) = entry.strip_prefix("# branch.head ") {
            self.branch = (branch != "(detached)").then(|| branch.to_owned());
        } else if let Some(path) = changed_path(entry) {
            self.changed.push(path.to_owned());
        }
    }
}

/// The path of an entry of the status, if it is one of a file.
fn changed_path(entry: &str) -> Option<&str> {
    let fields_before_path = match entry.as_bytes().first()? {
        b'?' => 1,
        b'1' => 8,
        b'u' => 10,
        _ => return None,
    };
    entry.splitn(fields_before_path + 1, ' ').last()
}

fn ask(mut command: Command, args: &[&str]) -> Result<Output, GitRefusal> {
    // Its refusals are told apart by their words.
    command.args(args).env("LC_ALL", "C");
    let output = output_within(&mut command, b"", ANSWERS_WITHIN);
    output.map_err(|why| unanswered(args.first().unwrap_or(&""), &why))
}

/// Why a question was not answered.
fn unanswered(question: &str, why: &std::io::Error) -> GitRefusal {
    match why.kind() {
        ErrorKind::TimedOut => GitRefusal::Other(format!(
            "git {question} did not answer within {} s",
            ANSWERS_WITHIN.as_secs()
        )),
        ErrorKind::Other => GitRefusal::Other(why.to_string()),
        _ => GitRefusal::Missing(why.to_string()),
    }
}

/// What a failed question for the repository means.
fn refusal<T>(output: &Output) -> Result<Option<T>, GitRefusal> {
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("not a git repository (or any") {
        return Ok(None);
    }
    Err(
        if said.contains("must be run in a work tree") || said.contains("bare repository") {
            GitRefusal::Bare
        } else if said.contains("dubious ownership") || said.contains("unsafe repository") {
            GitRefusal::Foreign
        } else {
            other(output)
        },
    )
}

/// What git said, or how it ended.
fn other(output: &Output) -> GitRefusal {
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = said.lines().find(|line| line.starts_with("fatal:"));
    let said = first_line(reason.unwrap_or(&said), 300);
    let ended = crash(output.status).map(|how| format!("git did not answer: {how}"));
    GitRefusal::Other(ended.unwrap_or(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_the_status_are_read() {
        let mut facts = GitFacts {
            work_tree: PathBuf::new(),
            git_dir: PathBuf::new(),
            common_dir: PathBuf::new(),
            head: None,
            branch: None,
            changed: Vec::new(),
        };
        for entry in [
            "# branch.oid 0123abc",
            "# branch.head main",
            "1 .M N... 100644 100644 100644 aaaa bbbb a b.js",
            "u UU N... 100644 100644 100644 100644 aaaa bbbb cccc both.js",
            "? new file.js",
            "! ignored",
            "",
        ] {
            facts.take(entry);
        }
        assert_eq!(facts.head.as_deref(), Some("0123abc"));
        assert_eq!(facts.branch.as_deref(), Some("main"));
        assert_eq!(facts.changed, ["a b.js", "both.js", "new file.js"]);
        facts.take("# branch.oid (initial)");
        facts.take("# branch.head (detached)");
        assert_eq!((facts.head, facts.branch), (None, None));
    }
}
