//! What is committed: files of a project at HEAD, and their content.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use shim_runtime::git;

use crate::error::EvolutionError;
use crate::project::Project;

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
        let none = |why: &str| EvolutionError::NoRepository {
            root: project.root().display().to_string(),
            why: why.to_owned(),
        };
        let facts = project.git().ok_or_else(|| {
            none(
                project
                    .git_refusal()
                    .unwrap_or("it is in no git repository"),
            )
        })?;
        let head = facts
            .head
            .clone()
            .ok_or_else(|| none("its repository has no commit"))?;
        let inside = project.root().strip_prefix(&facts.work_tree);
        let inside = inside.map_err(|_| none("it lies outside of its working tree"))?;
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
    let mut output = ask_once(folder, args, input)?;
    if output.status.code().is_none() {
        output = ask_once(folder, args, input)?;
    }
    if output.status.success() {
        return Ok(output.stdout);
    }
    if output.status.code().is_none() {
        return Err(broken(&format!("it was killed twice: {}", output.status)));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(broken(&shim_exec::first_line(&said, 300)))
}

fn ask_once(folder: &Path, args: &[&str], input: &[u8]) -> Result<Output, EvolutionError> {
    let mut command = git::command(folder);
    command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|why| broken(&why.to_string()))?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output()
    });
    output.map_err(|why| broken(&why.to_string()))
}

fn broken(why: &str) -> EvolutionError {
    EvolutionError::Git {
        doing: "git".to_owned(),
        why: why.to_owned(),
    }
}
