//! Where the files of a session's project belong: the namespace of their leases, and their paths within it.

use std::path::{Path, PathBuf};

use shim_runtime::workspace::Workspace;

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

    /// A path or pattern as the services know it, or why it has no place here.
    pub(crate) fn locate(&self, typed: &str) -> Result<String, String> {
        let relative = self.workspace.relative(&self.folder, typed);
        relative.map_err(|_| {
            let root = self.workspace.root.display();
            format!("must be inside the workspace {root}; name a file there, or say it in the goal")
        })
    }
}
