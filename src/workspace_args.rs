//! The workspace or namespace that a command is about, and the name of a sender without one.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::builder::NonEmptyStringValueParser;
use shim_proto::limits::coordination::MAX_ACTOR_BYTES;
use shim_render::text::one_line;
use shim_runtime::files::LinkError;
use shim_runtime::workspace::{OutsideWorkspace, PathError, Workspace, identity, namespace};
use shim_runtime::{files, process};

use crate::config::Config;
use crate::error::CliError;
use crate::output::say;
use crate::remedies::shell_word;

/// The namespace of state and locks.
#[derive(Debug, clap::Args)]
pub(crate) struct NamespaceArgs {
    /// Namespace [default: the git repository around]
    #[arg(short, long, value_name = "NAMESPACE", value_parser = NonEmptyStringValueParser::new())]
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
            workspace.name = namespace(name);
        }
        Ok(Self { folder, workspace })
    }

    /// Paths and patterns as typed, relative to the workspace's root. The path of an existing file means that file, even
    /// if its name has characters of patterns.
    pub(crate) fn patterns(&self, typed: &[String]) -> Result<Vec<String>, CliError> {
        let patterns = typed.iter().map(|typed| self.pattern(&self.folder, typed));
        patterns.collect()
    }

    /// What was written for files in `folder`, as a pattern of the workspace.
    pub(crate) fn pattern(&self, folder: &Path, typed: &str) -> Result<String, CliError> {
        self.workspace
            .pattern(folder, typed)
            .map_err(|why| match why {
                PathError::Outside(path) => outside(&path),
                PathError::Link(why) => through_link(typed, &why),
                PathError::Pattern(why) => {
                    CliError::usage(format!("the path or pattern {typed:?} {why}"))
                }
            })
    }

    /// A path relative to the workspace's root as a pattern that matches nothing else: `app/[id].ts` is a name in some
    /// frameworks. A folder that is there ends with a slash, so that `foo.d` is not taken for a file.
    pub(crate) fn literal_pattern(&self, inside: &str) -> String {
        let mut pattern = files::literal(inside);
        if self.workspace.root.join(inside).is_dir() && !pattern.ends_with('/') {
            pattern.push('/');
        }
        pattern
    }

    /// Prints a line for each pattern that nothing here matches: it may be misspelt, or for files still to be made. JSON has
    /// stdout for itself.
    pub(crate) fn tell_unmatched(
        &self,
        patterns: &[String],
        as_json: bool,
        out: &mut dyn Write,
    ) -> std::io::Result<()> {
        for pattern in files::unmatched(&self.workspace.root, patterns) {
            let pattern = one_line(&pattern, 200);
            let note = format_args!("note: no file there is matches {pattern}");
            if as_json {
                say::line(note);
            } else {
                writeln!(out, "{note}")?;
            }
        }
        Ok(())
    }

    /// A path as typed, relative to the workspace's root.
    pub(crate) fn relative(&self, typed: &str) -> Result<String, CliError> {
        let inside = self.workspace.relative(&self.folder, typed);
        inside.map_err(|why| match why {
            PathError::Outside(path) => outside(&path),
            PathError::Link(why) => through_link(typed, &why),
            PathError::Pattern(why) => CliError::usage(format!("the path {typed:?} {why}")),
        })
    }

    /// What a path of the workspace leads to through links, as a pattern; `None` if that is the path itself.
    pub(crate) fn linked_pattern(&self, inside: &str) -> Option<String> {
        let literal = self.literal_pattern(inside);
        let linked = files::as_sent_pattern(&self.workspace.root, &literal).ok()?;
        (linked != literal).then_some(linked)
    }
}

fn through_link(typed: &str, why: &LinkError) -> CliError {
    CliError::usage(format!("{typed:?} {why}"))
        .hint("only files of one workspace can be leased or checked together")
}

fn outside(path: &OutsideWorkspace) -> CliError {
    CliError::new(path.to_string())
        .hint("only files of one workspace can be leased or checked together")
}

/// A project as typed: a name, or a folder, which may be relative and spelled in any way.
pub(crate) fn project(typed: Option<&str>) -> Result<String, CliError> {
    let Some(typed) = typed else {
        return Ok(String::new());
    };
    let is_relative =
        matches!(typed, "." | "..") || typed.starts_with("./") || typed.starts_with("../");
    if !is_relative {
        return Ok(identity(typed));
    }
    let whole = std::env::current_dir()?.join(typed);
    Ok(identity(&whole.to_string_lossy()))
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
        std::os::unix::fs::symlink("[id].ts", folder.path().join("link.ts")).unwrap();
        assert_eq!(
            current.patterns(&["link.ts".to_owned()]).unwrap(),
            [r"\[id\].ts"]
        );
        assert_eq!(
            current.linked_pattern("link.ts").as_deref(),
            Some(r"\[id\].ts")
        );
        assert_eq!(current.linked_pattern("[id].ts"), None);
        std::os::unix::fs::symlink("/etc", folder.path().join("out")).unwrap();
        let refused = current.patterns(&["out/x".to_owned()]).unwrap_err();
        assert!(refused.to_string().contains("through a link"), "{refused}");
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
        }
        assert_eq!(current.literal_pattern("[a].d"), r"\[a\].d/");
        assert_eq!(current.literal_pattern("[gone].d"), r"\[gone\].d");
    }

    #[test]
    fn what_is_no_pattern_here_is_refused_with_what_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let current = at(folder.path());
        for (typed, remedy) in [
            ("", "write ."),
            ("!x", r"\!"),
            ("~/x", "relative"),
            ("$X/y", "itself"),
        ] {
            let refused = current.patterns(&[typed.to_owned()]).unwrap_err();
            assert!(refused.to_string().contains(remedy), "{refused}");
        }
        let mut said = Vec::new();
        let patterns = ["x*".to_owned(), ".".to_owned()];
        current.tell_unmatched(&patterns, false, &mut said).unwrap();
        assert_eq!(said, b"note: no file there is matches x*\n");
    }

    #[test]
    fn a_project_is_a_name_or_a_folder() {
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        let here = here.to_str().unwrap();
        for typed in [
            ".",
            "./",
            here,
            &format!("{here}/./"),
            &format!("{here}/src/.."),
        ] {
            assert_eq!(project(Some(typed)).unwrap(), here, "{typed}");
        }
        assert_eq!(project(Some("claude-desktop")).unwrap(), "claude-desktop");
        assert_eq!(project(None).unwrap(), "");
    }

    fn at(folder: &std::path::Path) -> CurrentWorkspace {
        CurrentWorkspace {
            folder: folder.to_path_buf(),
            workspace: Workspace::containing(folder),
        }
    }
}
