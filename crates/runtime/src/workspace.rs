//! Which workspace a folder belongs to, and how its files are named within it.
//!
//! A workspace is the namespace of a project's state, locks and file leases. All windows on one checkout must come to
//! the same name without talking to each other, so it is the path of the git root. Two worktrees of one repository
//! hold different files and are two workspaces.
//!
//! A folder has one identity, however it is spelled: [`identity`] is the only place where that is decided.

use std::path::{Component, Path, PathBuf};

use shim_proto::limits::coordination::MAX_NAME_BYTES;

use crate::files::{self, LinkError, PatternError, real};

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

/// Why a typed path or pattern has no place in a workspace.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// It leads out of the workspace.
    #[error(transparent)]
    Outside(#[from] OutsideWorkspace),
    /// It is empty, or of a form that other programs know.
    #[error("{0}")]
    Pattern(#[from] PatternError),
    /// A link in it leads out of the workspace, or nowhere.
    #[error("{0}")]
    Link(#[from] LinkError),
}

/// The one name of a project or namespace. A path is that of the kernel, as far as it is there: without links, dots and
/// needless slashes. Any other name stays as it is.
#[must_use]
pub fn identity(name: &str) -> String {
    if !name.starts_with('/') {
        return name.to_owned();
    }
    let path = Path::new(name);
    let whole = real(path).unwrap_or_else(|_| resolved(path));
    whole.to_str().unwrap_or(name).to_owned()
}

/// The namespace of a name: that of the folder for a path, however it is spelled.
#[must_use]
pub fn namespace(asked: &str) -> String {
    if asked.starts_with('/') {
        name(Path::new(&identity(asked)))
    } else {
        asked.to_owned()
    }
}

impl Workspace {
    /// The workspace around an absolute folder: the git repository it is in, else "default" with the folder as root.
    #[must_use]
    pub fn containing(folder: &Path) -> Self {
        let folder = &folder
            .canonicalize()
            .unwrap_or_else(|_| folder.to_path_buf());
        let root = folder
            .ancestors()
            .find(|path| path.join(".git").exists())
            .map(Path::to_path_buf);
        Self {
            name: root.as_deref().map_or_else(|| DEFAULT.to_owned(), name),
            root: root.unwrap_or_else(|| folder.to_path_buf()),
        }
    }

    /// What was typed in `folder` for files, as a pattern relative to the root. As far as its names are there they mean
    /// themselves, and links mean what they lead to.
    ///
    /// # Errors
    /// If it is empty, leads out of the workspace or in a circle, or has a form that only other programs know.
    pub fn pattern(&self, folder: &Path, typed: &str) -> Result<String, PathError> {
        let is_there = |path: &str| folder.join(path).symlink_metadata().is_ok();
        let first = typed.split('/').next().unwrap_or_default();
        let means_itself = is_there(typed) || (!first.is_empty() && is_there(first));
        if typed.is_empty() || (!typed.starts_with('/') && !means_itself) {
            files::check_form(typed)?;
        }
        let inside = self.relative(folder, typed)?;
        Ok(files::as_pattern(&self.root, &inside)?)
    }

    /// A path or pattern typed in `folder`, relative to the root, without links and dots; `.` for the root itself. A slash
    /// at its end is kept, since it means a folder.
    ///
    /// # Errors
    /// If it leads out of the workspace, or in a circle.
    pub fn relative(&self, folder: &Path, typed: &str) -> Result<String, PathError> {
        let whole = real(&folder.join(typed))?;
        let inside = whole.strip_prefix(&self.root);
        let inside = inside.map_err(|_| self.outside(folder, typed, &whole))?;
        let names = inside.components().map(|part| part.as_os_str().to_str());
        // A name that is no UTF-8 came from a link; no pattern could name it.
        let names: Option<Vec<_>> = names.collect();
        let names = names.ok_or_else(|| self.outside(folder, typed, &whole))?;
        let end = if typed.ends_with('/') { "/" } else { "" };
        Ok(if names.is_empty() {
            ".".to_owned()
        } else {
            names.join("/") + end
        })
    }
}

impl Workspace {
    /// Says whether a link leads outside, or the path itself.
    fn outside(&self, folder: &Path, typed: &str, whole: &Path) -> PathError {
        let root = self.root.clone();
        if resolved(&folder.join(typed)).starts_with(&root) {
            let target = whole.to_path_buf();
            return LinkError::Outside { target, root }.into();
        }
        let path = typed.to_owned();
        OutsideWorkspace { path, root }.into()
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
    fn one_folder_has_one_identity_however_it_is_spelled() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        let real = home.join("my app");
        std::fs::create_dir_all(real.join(".git")).unwrap();
        std::os::unix::fs::symlink(&real, home.join("link")).unwrap();
        let home = home.display();
        let own = format!("{home}/my app");
        for spelled in [
            format!("{home}/my app"),
            format!("{home}/my app/"),
            format!("{home}/./my app/."),
            format!("{home}//my app"),
            format!("/{home}/link/../my app"),
            format!("{home}/link"),
            format!("{home}/link/"),
        ] {
            assert_eq!(identity(&spelled), own, "{spelled}");
            let workspace = Workspace::containing(Path::new(&spelled));
            assert_eq!(namespace(&spelled), workspace.name, "{spelled}");
            assert_eq!(workspace.root, real);
        }
        assert_eq!(
            identity(&format!("{home}/link/gone/./x/")),
            format!("{own}/gone/x")
        );
        for name in ["notes", "claude-desktop", "", "a/./b", "link"] {
            assert_eq!(
                (identity(name), namespace(name)),
                (name.into(), name.into())
            );
        }
    }

    #[test]
    fn what_is_typed_is_a_pattern_of_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("app/[id]")).unwrap();
        std::fs::create_dir(root.join(".git")).unwrap();
        std::fs::write(root.join("app/!x"), "").unwrap();
        let workspace = Workspace::containing(&root);
        let app = root.join("app");
        let pattern = |typed: &str| {
            workspace
                .pattern(&app, typed)
                .map_err(|why| why.to_string())
        };
        for (typed, expected) in [
            ("[id]", r"app/\[id\]/"),
            ("[id]/a.ts", r"app/\[id\]/a.ts"),
            ("!x", "app/!x"),
            ("../app/*.ts", "app/*.ts"),
            (".", "app/"),
            ("..", "./"),
        ] {
            assert_eq!(pattern(typed).as_deref(), Ok(expected), "{typed}");
        }
        std::os::unix::fs::symlink("app", root.join("link")).unwrap();
        std::os::unix::fs::symlink("/etc", app.join("out")).unwrap();
        std::os::unix::fs::symlink("round", app.join("round")).unwrap();
        assert_eq!(
            workspace.pattern(&root, "link/[id]/x").unwrap(),
            r"app/\[id\]/x"
        );
        let absolute = app.join("[id]").display().to_string();
        assert_eq!(pattern(&absolute).as_deref(), Ok(r"app/\[id\]/"));
        for (typed, why) in [
            ("", "is empty"),
            (" ", "is empty"),
            ("!y/**", "begins with !"),
            ("~/x", "begins with ~"),
            ("$HOME/x", "shell"),
            ("@(a|b)", "{a,b}"),
            ("../..", "outside"),
            ("/etc/passwd", "outside"),
            ("out/passwd", "through a link"),
            ("round", "circle"),
        ] {
            let refused = pattern(typed).unwrap_err();
            assert!(refused.contains(why), "{typed}: {refused}");
        }
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
