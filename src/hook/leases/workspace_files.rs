//! Where written files belong: the workspace whose leases cover them, and their names in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use shim_runtime::files::{literal, real};
use shim_runtime::workspace::Workspace;

/// Files of one workspace.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct WorkspaceFiles {
    pub(super) workspace: String,
    /// Patterns that match just the files.
    pub(super) patterns: Vec<String>,
    /// As people read them, relative to the workspace's root.
    pub(super) names: Vec<String>,
}

/// The workspaces that may have leases on these files: the conversation's own, and that of the repository that a file lies in. A
/// file through a link is the one that it leads to. What lies in neither has no name that another session could lease.
pub(super) fn workspace_files(own: &Workspace, files: &[&Path]) -> Vec<WorkspaceFiles> {
    let mut found: BTreeMap<String, WorkspaceFiles> = BTreeMap::new();
    for file in files.iter().filter_map(|file| real(file).ok()) {
        let around = repository(&file);
        let others = around.filter(|around| around.root != own.root);
        for workspace in [own.clone()].into_iter().chain(others) {
            let Ok(inside) = workspace.relative(&workspace.root, &file.to_string_lossy()) else {
                continue;
            };
            let name = workspace.name;
            let known = found.entry(name.clone()).or_insert_with(|| WorkspaceFiles {
                workspace: name,
                ..WorkspaceFiles::default()
            });
            known.patterns.push(literal(&inside));
            known.names.push(inside);
        }
    }
    found.into_values().collect()
}

/// The repository that a file lies in, which may be below the folder of the conversation or beside it.
fn repository(file: &Path) -> Option<Workspace> {
    let folder: PathBuf = file.parent()?.to_path_buf();
    let around = Workspace::containing(&folder);
    around.root.join(".git").exists().then_some(around)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn files_of(workspace: &Path, name: &str, pattern: &str) -> WorkspaceFiles {
        WorkspaceFiles {
            workspace: workspace.display().to_string(),
            patterns: vec![pattern.to_owned()],
            names: vec![name.to_owned()],
        }
    }

    #[test]
    fn a_file_belongs_to_the_conversations_workspace_and_to_its_own_repository() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let (project, nested, beside) = (home.join("p"), home.join("p/nested"), home.join("q"));
        for root in [&project, &nested, &beside] {
            std::fs::create_dir_all(root.join(".git")).unwrap();
        }
        let own = Workspace::containing(&project);
        let of = |file: PathBuf| workspace_files(&own, &[&file]);
        assert_eq!(
            of(project.join("src/new.rs")),
            [files_of(&project, "src/new.rs", "src/new.rs")],
            "one that is still to be made"
        );
        assert_eq!(
            of(project.join("[id].ts")),
            [files_of(&project, "[id].ts", r"\[id\].ts")]
        );
        assert_eq!(
            of(nested.join("a.rs")),
            [
                files_of(&project, "nested/a.rs", "nested/a.rs"),
                files_of(&nested, "a.rs", "a.rs")
            ]
        );
        assert_eq!(of(beside.join("b.rs")), [files_of(&beside, "b.rs", "b.rs")]);
        assert_eq!(of(home.join("nowhere.txt")), []);
        assert_eq!(
            of(project.join("src/../x/./y.rs")),
            [files_of(&project, "x/y.rs", "x/y.rs")]
        );
        std::os::unix::fs::symlink(beside.join("b.rs"), project.join("link.rs")).unwrap();
        assert_eq!(
            of(project.join("link.rs")),
            [files_of(&beside, "b.rs", "b.rs")],
            "what the link leads to"
        );
        let both = [project.join("a"), project.join("b")];
        let both: Vec<&Path> = both.iter().map(PathBuf::as_path).collect();
        assert_eq!(workspace_files(&own, &both)[0].names, ["a", "b"]);
    }
}
