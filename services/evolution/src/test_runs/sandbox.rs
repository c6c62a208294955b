//! A throw-away copy of a project, in which its code may be changed and run. It is gone when its handle is dropped, or, after a kill,
//! with the next sweep.
//!
//! Packages are not copied but linked, each by itself: what a tool writes into `node_modules` lands in the copy.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use shim_runtime::stack::make_private_dir;

use ignore::WalkBuilder;

use super::error::TestRunError;

const MAX_FILES: u64 = 50_000;
const MAX_BYTES: u64 = 1 << 30;
/// Folders that no copy needs.
const LEFT_OUT: [&str; 6] = [
    ".git",
    "node_modules",
    ".stryker-tmp",
    ".nyc_output",
    "coverage",
    ".hg",
];

/// A copy of a project.
#[derive(Debug)]
pub(crate) struct Sandbox {
    folder: PathBuf,
    root: PathBuf,
    lock_path: PathBuf,
    /// Held as long as the copy is in use.
    _lock: File,
}

impl Sandbox {
    /// Copies the project at `root` below `folder`, with its packages linked. Files that git ignores are copied as well, since tests
    /// may need what a build made.
    ///
    /// # Errors
    /// If it is too large, or a file cannot be read or written.
    pub(crate) fn copy(root: &Path, folder: &Path) -> Result<Self, TestRunError> {
        let name = format!("copy-{}", uuid::Uuid::now_v7());
        let home = folder.join(&name);
        let lock_path = folder.join(format!("{name}.lock"));
        let failed = || TestRunError::io("a copy of the project cannot be made");
        let lock = OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(&lock_path)
            .map_err(failed())?;
        let sandbox = Self {
            root: home.join("project"),
            folder: home,
            lock_path,
            _lock: lock,
        };
        sandbox._lock.lock().map_err(failed())?;
        make_private_dir(&sandbox.root).map_err(failed())?;
        copy_files(root, &sandbox.root)?;
        link_packages(root, &sandbox.root).map_err(failed())?;
        Ok(sandbox)
    }

    /// The copy's root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A folder beside the copy, for what is written about it.
    pub(crate) fn beside(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let removed = std::fs::remove_dir_all(&self.folder);
        // On a full disk the folder itself may not have been made.
        if let Err(why) = removed.or_else(|why| match why.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(why),
        }) {
            tracing::warn!(%why, folder = %self.folder.display(), "a copy of a project is removed at the next start");
            return;
        }
        let _ = std::fs::remove_file(&self.lock_path);
    }
}

/// Removes copies below `folder` that no living process uses, and the reports and caches of runs: call it before the first run.
pub(crate) fn sweep(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name == "tmp" || name.starts_with("run-") {
            let _ = std::fs::remove_dir_all(&path);
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "lock") {
            continue;
        }
        let Ok(file) = File::open(&path) else {
            continue;
        };
        if file.try_lock().is_ok() {
            let _ = std::fs::remove_dir_all(path.with_extension(""));
            let _ = std::fs::remove_file(&path);
        }
    }
}

fn copy_files(from: &Path, to: &Path) -> Result<(), TestRunError> {
    let walk = WalkBuilder::new(from)
        .standard_filters(false)
        .follow_links(false)
        .filter_entry(|entry| {
            let name = entry.file_name().to_string_lossy();
            entry.depth() == 0 || !LEFT_OUT.contains(&name.as_ref())
        })
        .build();
    let (mut files, mut bytes) = (0, 0);
    for entry in walk.flatten() {
        let Ok(inside) = entry.path().strip_prefix(from) else {
            continue;
        };
        let target = to.join(inside);
        let failed = || TestRunError::io(format!("{} cannot be copied", inside.display()));
        let Some(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            std::fs::create_dir_all(&target).map_err(failed())?;
        } else if kind.is_symlink() {
            copy_link(entry.path(), &target).map_err(failed())?;
        } else if kind.is_file() {
            files += 1;
            bytes += entry.metadata().map_or(0, |meta| meta.len());
            if files > MAX_FILES || bytes > MAX_BYTES {
                return Err(TestRunError::TooLarge {
                    files: MAX_FILES,
                    bytes: MAX_BYTES,
                });
            }
            std::fs::copy(entry.path(), &target).map_err(failed())?;
        }
    }
    Ok(())
}

/// A relative link leads to the same place of the copy; an absolute one is left out, since writing through it would leave the copy.
fn copy_link(from: &Path, to: &Path) -> std::io::Result<()> {
    let target = std::fs::read_link(from)?;
    let climbs = target
        .components()
        .filter(|part| matches!(part, std::path::Component::ParentDir))
        .count();
    if target.is_absolute() || climbs > 3 {
        return Ok(());
    }
    symlink(target, to)
}

/// Links the packages of `root`, and of the folders above it that are in the same repository or hold its packages, into the same places
/// of a copy or worktree at `copy`. Packages of the same workspace are linked to the copy, so that its code is what runs.
///
/// # Errors
/// If a link cannot be made.
pub(crate) fn link_packages(root: &Path, copy: &Path) -> std::io::Result<()> {
    let walk = WalkBuilder::new(root)
        .standard_filters(false)
        .follow_links(false)
        .max_depth(Some(5))
        .filter_entry(|entry| {
            let inside_packages = entry
                .path()
                .parent()
                .is_some_and(|parent| parent.ends_with("node_modules"));
            !inside_packages && entry.file_name() != ".git"
        })
        .build();
    for entry in walk.flatten() {
        if entry.file_name() != "node_modules" {
            continue;
        }
        let Ok(inside) = entry.path().strip_prefix(root) else {
            continue;
        };
        let target = copy.join(inside);
        if target.parent().is_some_and(Path::is_dir) && !target.exists() {
            link_folder(&Packages { root, copy }, entry.path(), &target)?;
        }
    }
    // Node looks for packages above the project as well, and a copy stands elsewhere.
    let own = copy.join("node_modules");
    for above in root
        .ancestors()
        .skip(1)
        .map(|above| above.join("node_modules"))
    {
        if above.is_dir() {
            link_folder(&Packages { root, copy }, &above, &own)?;
        }
    }
    Ok(())
}

struct Packages<'a> {
    root: &'a Path,
    copy: &'a Path,
}

/// Links each package of one `node_modules`; what is there already is nearer to the project, and stays.
fn link_folder(packages: &Packages<'_>, from: &Path, to: &Path) -> std::io::Result<()> {
    let Ok(entries) = std::fs::read_dir(from) else {
        return Ok(());
    };
    std::fs::create_dir_all(to)?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let target = to.join(&name);
        // Caches of tools begin with a dot, but for the programs and the store of pnpm.
        let text = name.to_string_lossy();
        if text.starts_with('.') && text != ".bin" && text != ".pnpm" {
            continue;
        }
        if text.starts_with('@') && entry.path().is_dir() {
            link_folder(packages, &entry.path(), &target)?;
        } else if !target.is_symlink() && !target.exists() {
            symlink(in_copy(packages, &entry.path()), target)?;
        }
    }
    Ok(())
}

/// A package that is a link to a folder of the same project is that folder of the copy.
fn in_copy(packages: &Packages<'_>, package: &Path) -> PathBuf {
    let real = package.canonicalize().ok();
    let root = packages.root.canonicalize().ok();
    let inside = real
        .as_ref()
        .zip(root.as_ref())
        .and_then(|(real, root)| real.strip_prefix(root).ok());
    match inside {
        Some(inside)
            if !inside
                .components()
                .any(|part| part.as_os_str() == "node_modules") =>
        {
            packages.copy.join(inside)
        }
        _ => package.to_path_buf(),
    }
}
