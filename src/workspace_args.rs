//! The workspace or namespace that a command is about, and the name of a sender without one.

use std::path::PathBuf;

use shim_proto::limits::coordination::MAX_ACTOR_BYTES;
use shim_runtime::process;
use shim_runtime::workspace::Workspace;

use crate::config::Config;
use crate::error::CliError;
use crate::remedies::shell_word;

/// The namespace of state and locks.
#[derive(Debug, clap::Args)]
pub(crate) struct NamespaceArgs {
    /// Namespace [default: the git repository around]
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
}

impl NamespaceArgs {
    /// The namespace of the flag, of the configuration or of the repository.
    pub(crate) fn resolve(&self, config: &Config) -> Result<String, CliError> {
        let current = CurrentWorkspace::find(self.namespace.as_deref(), config)?;
        Ok(current.workspace.name)
    }

    /// The flag as it was given, for a command in a hint: empty, or with a space before it.
    pub(crate) fn flag(&self) -> String {
        let name = self.namespace.as_deref();
        name.map_or_else(String::new, |name| format!(" -n {}", shell_word(name)))
    }
}

/// Where a command is run.
#[derive(Debug)]
pub(crate) struct CurrentWorkspace {
    /// The working folder.
    pub(crate) folder: PathBuf,
    /// The workspace around it, under the name that was asked for, if there is one.
    pub(crate) workspace: Workspace,
}

impl CurrentWorkspace {
    /// The working folder, and the namespace of the flag, else of the configuration, else of the repository around.
    pub(crate) fn find(asked: Option<&str>, config: &Config) -> Result<Self, CliError> {
        let folder = std::env::current_dir()?;
        let mut workspace = Workspace::containing(&folder);
        if let Some(name) = asked.or(config.runtime.workspace.as_deref()) {
            name.clone_into(&mut workspace.name);
        }
        Ok(Self { folder, workspace })
    }

    /// Paths and patterns as typed, relative to the workspace's root. The path of an existing file means that file, even
    /// if its name has characters of patterns.
    pub(crate) fn patterns(&self, typed: &[String]) -> Result<Vec<String>, CliError> {
        let pattern = |path: &String| {
            let inside = self.relative(path)?;
            let is_there = self.folder.join(path).exists();
            Ok(if is_there {
                self.literal_pattern(&inside)
            } else {
                inside
            })
        };
        typed.iter().map(pattern).collect()
    }

    /// A path as typed, relative to the workspace's root.
    pub(crate) fn relative(&self, typed: &str) -> Result<String, CliError> {
        let inside = self.workspace.relative(&self.folder, typed);
        inside.map_err(|outside| {
            CliError::new(outside.to_string())
                .hint("only files of one workspace can be leased or checked together")
        })
    }

    /// A path relative to the workspace's root as a pattern that matches nothing else: `app/[id].ts` is a name in some
    /// frameworks. A folder that is there ends with a slash, so that `foo.d` is not taken for a file.
    pub(crate) fn literal_pattern(&self, inside: &str) -> String {
        let quoted = |c: char| match c {
            '*' | '?' | '[' | ']' | '{' | '}' | '\\' => format!("\\{c}"),
            _ => c.to_string(),
        };
        let mut pattern: String = inside.chars().map(quoted).collect();
        if self.workspace.root.join(inside).is_dir() && !pattern.ends_with('/') {
            pattern.push('/');
        }
        pattern
    }
}

/// The name of a sender or writer that gave none: `user@host`.
pub(crate) fn user_at_host() -> String {
    let user = std::env::var("USER").unwrap_or_else(|_| "someone".to_owned());
    let name = format!("{user}@{}", process::hostname());
    name[..name.floor_char_boundary(MAX_ACTOR_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_name_of_a_file_is_no_pattern() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("[id].ts"), "").unwrap();
        let current = at(folder.path());
        for (typed, expected) in [
            ("[id].ts", r"\[id\].ts"),
            ("[ab].ts", "[ab].ts"),
            ("src/*", "src/*"),
            ("src/*.d/", "src/*.d/"),
        ] {
            assert_eq!(current.patterns(&[typed.to_owned()]).unwrap(), [expected]);
        }
        assert!(current.patterns(&["../x".to_owned()]).is_err());
    }

    #[test]
    fn a_folder_that_is_there_ends_with_a_slash() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("[a].d/b.d")).unwrap();
        let current = at(folder.path());
        for (typed, expected) in [
            ("[a].d", r"\[a\].d/"),
            ("[a].d/", r"\[a\].d/"),
            ("[a].d/b.d", r"\[a\].d/b.d/"),
            // The root is everything.
            (".", "./"),
            ("./", "./"),
            ("[a].d/..", "./"),
        ] {
            assert_eq!(current.patterns(&[typed.to_owned()]).unwrap(), [expected]);
            let inside = current.relative(typed).unwrap();
            assert_eq!(current.literal_pattern(&inside), expected);
        }
    }

    fn at(folder: &std::path::Path) -> CurrentWorkspace {
        CurrentWorkspace {
            folder: folder.to_path_buf(),
            workspace: Workspace::containing(folder),
        }
    }
}
