//! What is committed: files of a project at HEAD, and their content.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use shim_runtime::git::{self, output_within};

use crate::error::EvolutionError;
use crate::project::Project;

/// One question to git. Only a file system that does not answer takes longer.
pub(super) const ANSWERS_WITHIN: Duration = Duration::from_secs(120);
/// A larger file is no source.
const MAX_BYTES: usize = 2 << 20;

/// A project's repository and where the project lies in it.
#[derive(Debug, Clone)]
pub(super) struct Repository {
    /// The top of the user's working tree.
    pub(super) work_tree: PathBuf,
    /// The folder of objects, branches and worktrees.
    pub(super) common_dir: PathBuf,
    /// The commit of HEAD.
    pub(super) head: String,
    /// The project's folder below the top: empty, or with a slash at its end.
    pub(super) prefix: String,
    /// Files that differ from HEAD, or folders whose files do, relative to the top.
    changed: Vec<String>,
}

impl Repository {
    /// The repository of a project.
    ///
    /// # Errors
    /// If it has none, or none with a commit.
    pub(super) fn of(project: &Project) -> Result<Self, EvolutionError> {
        let root = || project.root().display().to_string();
        let facts = project
            .git()
            .ok_or_else(|| EvolutionError::of_git(root(), project.git_refusal()))?;
        let head = facts.head.clone();
        let head = head.ok_or_else(|| EvolutionError::NoCommit(root()))?;
        let inside = project.root().strip_prefix(&facts.work_tree);
        let inside = inside.map_err(|_| EvolutionError::RepositoryUnusable {
            root: root(),
            why: "it lies outside of its repository's working tree".to_owned(),
        })?;
        let mut prefix = inside.to_string_lossy().into_owned();
        if !prefix.is_empty() {
            prefix.push('/');
        }
        Ok(Self {
            work_tree: facts.work_tree.clone(),
            common_dir: facts.common_dir.clone(),
            head,
            prefix,
            changed: facts.changed.clone(),
        })
    }

    /// Whether a file of the project differs from what is committed.
    pub(super) fn is_changed(&self, path: &str) -> bool {
        let whole = format!("{}{path}", self.prefix);
        let is_it = |changed: &String| {
            *changed == whole || (changed.ends_with('/') && whole.starts_with(changed.as_str()))
        };
        self.changed.iter().any(is_it)
    }

    /// Regular files of the project at a commit, relative to its root, with the objects of their content.
    ///
    /// # Errors
    /// If git fails.
    pub(super) fn tree(&self, commit: &str) -> Result<BTreeMap<String, String>, EvolutionError> {
        let args = [
            "ls-tree",
            "-r",
            "-z",
            "--full-tree",
            commit,
            "--",
            self.scope(),
        ];
        let printed = ask(&self.work_tree, &args, &[])?;
        let entries = printed
            .split(|byte| *byte == 0)
            .filter_map(|entry| std::str::from_utf8(entry).ok());
        Ok(entries.filter_map(|entry| self.entry(entry)).collect())
    }

    fn scope(&self) -> &str {
        if self.prefix.is_empty() {
            "."
        } else {
            &self.prefix
        }
    }

    /// `100644 blob <object>\t<path>`.
    fn entry(&self, entry: &str) -> Option<(String, String)> {
        let (facts, path) = entry.split_once('\t')?;
        let mut facts = facts.split(' ');
        let (mode, _kind, object) = (facts.next()?, facts.next()?, facts.next()?);
        let is_file = mode == "100644" || mode == "100755";
        is_file.then(|| {
            Some((
                path.strip_prefix(&self.prefix)?.to_owned(),
                object.to_owned(),
            ))
        })?
    }

    /// The content of objects, in their order; `None` for one that is too large or no text.
    ///
    /// # Errors
    /// If git fails.
    pub(super) fn contents(
        &self,
        objects: &[String],
    ) -> Result<Vec<Option<String>>, EvolutionError> {
        let mut input = objects.join("\n").into_bytes();
        input.push(b'\n');
        let printed = ask(&self.work_tree, &["cat-file", "--batch"], &input)?;
        let mut reader = BufReader::new(printed.as_slice());
        let content = |_| {
            read_object(&mut reader)
                .ok_or_else(|| broken("git cat-file answered less than it was asked"))
        };
        objects.iter().map(content).collect()
    }

    /// Puts texts into the index of a worktree, by their paths relative to the project's root, byte for byte: no attribute of
    /// the repository (`text`, `eol`, `ident`, `working-tree-encoding`, `filter`) converts them on their way.
    ///
    /// # Errors
    /// If git fails or the disk is full.
    pub(super) fn stage<'a>(
        &self,
        worktree: &Path,
        files: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), EvolutionError> {
        let root = worktree.join(&self.prefix);
        let listed = ask(&root, &["ls-files", "-s", "-z", "--", "."], &[])?;
        let listed = String::from_utf8_lossy(&listed);
        let modes: BTreeMap<&str, &str> = listed
            .split('\0')
            .filter_map(|entry| {
                let (facts, path) = entry.split_once('\t')?;
                Some((path, facts.split(' ').next()?))
            })
            .collect();
        let mut entries = String::new();
        for (path, text) in files {
            let args = ["hash-object", "-w", "--no-filters", "--stdin"];
            let object = ask(worktree, &args, text.as_bytes())?;
            let object = String::from_utf8_lossy(&object);
            let mode = modes.get(path).copied().unwrap_or("100644");
            entries.push_str(&format!(
                "{mode} {}\t{}{path}\0",
                object.trim(),
                self.prefix
            ));
        }
        let args = ["update-index", "-z", "--index-info"];
        ask(worktree, &args, entries.as_bytes()).map(drop)
    }

    /// Takes a commit's change out of the index of a worktree, whatever the files there look like.
    ///
    /// # Errors
    /// If it does not fit any more, or git fails.
    pub(super) fn unstage(&self, worktree: &Path, commit: &str) -> Result<(), EvolutionError> {
        let parent = format!("{commit}^");
        let args = [
            "diff-tree",
            "-p",
            "--binary",
            "--full-index",
            "--no-ext-diff",
            "--no-textconv",
            commit,
            &parent,
        ];
        let change = ask(worktree, &args, &[])?;
        ask(worktree, &["apply", "--cached", "-"], &change).map(drop)
    }
}

/// `<object> blob <size>\n<content>\n`.
fn read_object(reader: &mut impl BufRead) -> Option<Option<String>> {
    let mut header = String::new();
    reader.read_line(&mut header).ok()?;
    let size: usize = header.trim_end().rsplit(' ').next()?.parse().ok()?;
    let mut content = vec![0; size + 1];
    reader.read_exact(&mut content).ok()?;
    content.truncate(size);
    let is_usable = size <= MAX_BYTES && !content.contains(&0);
    Some(is_usable.then(|| String::from_utf8(content).ok()).flatten())
}

/// Runs git with an input, for as long as it takes to read from a local repository; once more if somebody killed it.
fn ask(folder: &Path, args: &[&str], input: &[u8]) -> Result<Vec<u8>, EvolutionError> {
    let mut command = git::command(folder);
    command.args(args).env("LC_ALL", "C");
    let output = output_within(&mut command, input, ANSWERS_WITHIN);
    let output = output.map_err(|why| broken(&why.to_string()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    if output.status.code().is_none() {
        return Err(broken(&format!("it was killed twice: {}", output.status)));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let why = shim_exec::first_line(&said, 300);
    if said.contains("No space left on device") {
        return Err(EvolutionError::DiskFull(why));
    }
    Err(broken(&why))
}

fn broken(why: &str) -> EvolutionError {
    EvolutionError::Git {
        doing: "git".to_owned(),
        why: why.to_owned(),
    }
}
