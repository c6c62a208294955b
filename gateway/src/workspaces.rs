//! Where the files of a session's project belong: the namespace of their leases, and their paths within it.

use std::path::{Path, PathBuf};

use shim_runtime::workspace::{PathError, Workspace};

use crate::config::Project;
use crate::gateway::Gateway;

/// A session's place among files.
#[derive(Debug, Clone)]
pub(crate) struct ProjectWorkspace {
    pub(crate) workspace: Workspace,
    /// Where relative paths start.
    folder: PathBuf,
}

impl ProjectWorkspace {
    /// Of a project, as the command line finds it; `None` if the project is no folder.
    pub(crate) async fn of(gateway: &Gateway, project: &str) -> Option<Self> {
        Self::around(gateway, Project::named(project).folder?).await
    }

    /// The same, but a client without a folder may name files by their whole paths.
    pub(crate) async fn of_files(gateway: &Gateway, project: &str, files: &[&str]) -> Option<Self> {
        let named = Project::named(project).folder;
        let whole = files.iter().map(Path::new).find(|path| path.is_absolute());
        let folder = named.or_else(|| whole.and_then(Path::parent).map(Path::to_path_buf))?;
        Self::around(gateway, folder).await
    }

    async fn around(gateway: &Gateway, folder: PathBuf) -> Option<Self> {
        let configured = gateway.workspace.clone();
        let find = move || {
            let folder = folder.canonicalize().unwrap_or(folder);
            let mut workspace = Workspace::containing(&folder);
            if let Some(name) = configured {
                workspace.name = name;
            }
            Self { workspace, folder }
        };
        tokio::task::spawn_blocking(find).await.ok()
    }

    /// A path or pattern as the services know it, or why it has no place here. Looks at the disk.
    pub(crate) fn locate(&self, typed: &str) -> Result<String, String> {
        let pattern = self.workspace.pattern(&self.folder, typed);
        pattern.map_err(|why| match why {
            PathError::Outside(_) => {
                let root = self.workspace.root.display();
                format!(
                    "must be inside the workspace {root}; name a file there, or say it in the goal"
                )
            }
            PathError::Link(why) => {
                format!("{why}; name a file of the workspace, or say it in the goal")
            }
            PathError::Pattern(why) => why.to_string(),
        })
    }

    /// Where relative paths start.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_that_is_there_means_itself() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().canonicalize().unwrap();
        let folder = root.join("app");
        std::fs::create_dir_all(folder.join("[[...sign-in]]")).unwrap();
        std::fs::create_dir(root.join(".git")).unwrap();
        std::fs::write(folder.join("[id].ts"), "").unwrap();
        let base = ProjectWorkspace {
            workspace: Workspace::containing(&folder),
            folder,
        };
        for (typed, expected) in [
            ("[id].ts", r"app/\[id\].ts"),
            ("[[...sign-in]]/page.ts", r"app/\[\[...sign-in\]\]/page.ts"),
            ("*.ts", "app/*.ts"),
        ] {
            assert_eq!(base.locate(typed).as_deref(), Ok(expected));
        }
        std::os::unix::fs::symlink("app", root.join("link")).unwrap();
        assert_eq!(
            base.locate("../link/[id].ts").as_deref(),
            Ok(r"app/\[id\].ts")
        );
        std::os::unix::fs::symlink("/etc", root.join("app/out")).unwrap();
        for (typed, why) in [
            ("out/x", "through a link"),
            ("!x/**", "!"),
            ("~/x", "~"),
            ("../../x", "inside the workspace"),
        ] {
            let refused = base.locate(typed).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
