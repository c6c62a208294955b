//! Which workspace a folder belongs to, and how its files are named within it.
//!
//! A workspace is the namespace of a project's state, locks and file leases. All windows on one checkout must come to
//! the same name without talking to each other, so it is the path of the git root. Two worktrees of one repository
//! hold different files and are two workspaces.

use std::path::{Component, Path, PathBuf};

use shim_proto::limits::coordination::MAX_NAME_BYTES;

/// The namespace of all folders outside of a repository.
const DEFAULT: &str = "default";

/// A project: its name in the services and its root folder here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// The name of the namespace.
    pub name: String,
    /// What its patterns are relative to.
    pub root: PathBuf,
}

/// A path that is not below the workspace's root.
#[derive(Debug, thiserror::Error)]
#[error("{path} is outside of {}", root.display())]
pub struct OutsideWorkspace {
    path: String,
    root: PathBuf,
}

impl Workspace {
    /// The workspace around an absolute folder: the git repository it is in, else "default" with the folder as root.
    #[must_use]
    pub fn containing(folder: &Path) -> Self {
        let root = folder
            .ancestors()
            .find(|path| path.join(".git").exists())
            .map(Path::to_path_buf);
        Self {
            name: root.as_deref().map_or_else(|| DEFAULT.to_owned(), name),
            root: root.unwrap_or_else(|| folder.to_path_buf()),
        }
    }

    /// A path or pattern typed in `folder`, relative to the root and with its dots resolved; `.` for the root itself. A
    /// slash at its end is kept, since it means a folder.
    ///
    /// # Errors
    /// If it leads out of the workspace.
    pub fn relative(&self, folder: &Path, typed: &str) -> Result<String, OutsideWorkspace> {
        let whole = resolved(&folder.join(typed));
        // A folder may have been typed by another name than the kernel's, such as /tmp on macOS.
        let inside = [Some(whole.clone()), canonical(&whole)]
            .into_iter()
            .flatten()
            .find_map(|path| path.strip_prefix(&self.root).ok().map(Path::to_path_buf))
            .ok_or_else(|| OutsideWorkspace {
                path: typed.to_owned(),
                root: self.root.clone(),
            })?;
        let names: Vec<_> = inside
            .components()
            .map(|part| part.as_os_str().to_string_lossy())
            .collect();
        let end = if typed.ends_with('/') { "/" } else { "" };
        Ok(if names.is_empty() {
            ".".to_owned()
        } else {
            names.join("/") + end
        })
    }
}

/// The root's path. One that is too long or has characters a namespace cannot have becomes its end and a hash.
fn name(root: &Path) -> String {
    let path = root.to_string_lossy();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._:/@-".contains(c);
    if path.len() <= MAX_NAME_BYTES && path.chars().all(allowed) {
        return path.into_owned();
    }
    let hash = format!("@{:016x}", fnv1a(path.as_bytes()));
    let spelled: String = path
        .chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect();
    let cut = spelled.len().saturating_sub(MAX_NAME_BYTES - hash.len());
    spelled[cut..].to_owned() + &hash
}

/// FNV-1a of 64 bits: the same in every version of the program, as std's hashers need not be.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The path without "." and "..", as written: a pattern names no file that could be looked up.
fn resolved(path: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                resolved.pop();
            }
            _ => resolved.push(part),
        }
    }
    resolved
}

/// The path with its existing part as the kernel names it.
fn canonical(path: &Path) -> Option<PathBuf> {
    path.ancestors().find_map(|existing| {
        let rest = path.strip_prefix(existing).ok()?;
        Some(existing.canonicalize().ok()?.join(rest))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_folder_of_a_repository_is_in_one_workspace() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("app");
        let deep = root.join("src/store");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::create_dir(root.join(".git")).unwrap();
        let workspace = Workspace::containing(&deep);
        assert_eq!(workspace, Workspace::containing(&root));
        assert_eq!(Path::new(&workspace.name), root);

        let relative = |typed: &str| workspace.relative(&deep, typed).ok();
        assert_eq!(relative("../a.rs").as_deref(), Some("src/a.rs"));
        assert_eq!(relative("./*.rs").as_deref(), Some("src/store/*.rs"));
        assert_eq!(relative("../foo.d/").as_deref(), Some("src/foo.d/"));
        assert_eq!(relative("../..").as_deref(), Some("."));
        assert_eq!(relative("../../").as_deref(), Some("."));
        assert_eq!(relative("../../../other"), None);
        let absolute = deep.join("b.rs").display().to_string();
        assert_eq!(relative(&absolute).as_deref(), Some("src/store/b.rs"));
        std::os::unix::fs::symlink(&root, folder.path().join("link")).unwrap();
        let other_name = folder.path().join("link/c/**").display().to_string();
        assert_eq!(relative(&other_name).as_deref(), Some("c/**"));
    }

    #[test]
    fn outside_of_a_repository_there_is_one_namespace() {
        let workspace = Workspace::containing(Path::new("/no/such/folder"));
        assert_eq!(workspace.name, "default");
        assert_eq!(workspace.root, Path::new("/no/such/folder"));
    }

    #[test]
    fn any_path_becomes_a_valid_name_of_its_own() {
        assert_eq!(name(Path::new("/home/me/app-1")), "/home/me/app-1");
        let spaced = name(Path::new("/home/me/my app"));
        assert!(spaced.starts_with("/home/me/my_app@"), "{spaced}");
        assert_ne!(spaced, name(Path::new("/home/me/my+app")));
        let long = format!("/{}", "é".repeat(200));
        assert_eq!(name(Path::new(&long)).len(), MAX_NAME_BYTES);
    }
}
