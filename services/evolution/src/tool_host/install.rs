//! The installed packages of the tools, in a folder of their own for each set of versions.
//!
//! (A) A folder under its final name is whole: npm works in a folder beside it, which is renamed at the end. (B) One process at a
//! time installs: it holds the lock of the tools' folder, which the kernel drops with the process. (C) Packages of other versions
//! are removed as soon as no process holds their folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use shim_runtime::stack::make_private_dir;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::error::HostError;
use super::node::Node;
use super::npm::Npm;
use super::programs::Programs;
use super::progress::ProgressSink;
use super::scripts;

/// Between two looks at the lock that another process holds.
const LOCK_LOOKED_AT: Duration = Duration::from_millis(200);
/// Names of folders that an ended process left behind begin so.
const UNFINISHED: [&str; 2] = [".installing-", ".removing-"];
const LOCK_FILE: &str = "install.lock";
/// The file in a folder of packages that says from what it was made; its lock is held while the packages are in use.
pub(super) const MARKER: &str = "installed.json";

/// Installed packages with the host's scripts. While it lives, no other process removes them.
#[derive(Debug)]
pub(super) struct Installed {
    /// The folder with `node_modules`.
    pub(super) folder: PathBuf,
    /// The folder with `host.js`.
    pub(super) scripts: PathBuf,
    _in_use: File,
}

/// Installs the packages below one folder.
#[derive(Debug, Clone)]
pub(super) struct Installer {
    root: PathBuf,
    programs: Programs,
}

impl Installer {
    pub(super) fn new(root: PathBuf, programs: Programs) -> Self {
        Self { root, programs }
    }

    /// Where the packages are, or will be.
    pub(super) fn folder(&self) -> PathBuf {
        self.root.join(scripts::packages_name())
    }

    /// The packages, if they are there.
    pub(super) fn installed(&self) -> Result<Option<Installed>, HostError> {
        let folder = self.folder();
        let Some(in_use) = hold(&folder) else {
            return Ok(None);
        };
        let placed = scripts::place(&folder);
        let scripts = placed.map_err(|why| HostError::of_io(folder.display().to_string(), &why))?;
        Ok(Some(Installed {
            folder,
            scripts,
            _in_use: in_use,
        }))
    }

    /// Installs the packages, unless another process was faster.
    pub(super) async fn install(
        &self,
        node: &Node,
        progress: &ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<Installed, HostError> {
        let of_root = |why| HostError::of_io(self.root.display().to_string(), &why);
        make_private_dir(&self.root).map_err(of_root)?;
        let _lock = self.lock(progress, cancel).await?;
        self.remove_unfinished();
        if let Some(installed) = self.installed()? {
            return Ok(installed);
        }
        let fresh = Unfinished::make(&self.root).map_err(of_root)?;
        Npm::find(node)?
            .install(&fresh.0, &self.programs, progress, cancel)
            .await?;
        finish(&fresh.0, &self.folder(), node).map_err(of_root)?;
        self.remove_others();
        let missing = || HostError::InstallFailed {
            why: "the installed packages are gone again".to_owned(),
        };
        self.installed()?.ok_or_else(missing)
    }

    /// Removes what a killed process left, unless a process is at work.
    pub(super) fn clean(&self) {
        let lock = File::options().write(true).open(self.root.join(LOCK_FILE));
        // Without the file nobody ever installed anything here.
        let Ok(lock) = lock else { return };
        if lock.try_lock().is_ok() {
            self.remove_unfinished();
        }
    }

    /// Sets packages aside that turned out not to be whole.
    pub(super) fn discard(&self) -> Result<(), HostError> {
        let folder = self.folder();
        set_aside(&folder)
            .map(drop)
            .map_err(|why| HostError::of_io(folder.display().to_string(), &why))
    }

    /// Waits for the lock of the tools' folder.
    async fn lock(
        &self,
        progress: &ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<File, HostError> {
        let path = self.root.join(LOCK_FILE);
        let failed = |why| HostError::of_io(path.display().to_string(), &why);
        let file = open_private(&path).map_err(failed)?;
        let mut is_told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(std::fs::TryLockError::WouldBlock) => {}
                Err(std::fs::TryLockError::Error(why)) => return Err(failed(why)),
            }
            if !is_told {
                progress.tell("install", "another process installs the tools", 0, 0);
                is_told = true;
            }
            tokio::select! {
                () = sleep(LOCK_LOOKED_AT) => {}
                () = cancel.cancelled() => return Err(HostError::Cancelled),
            }
        }
    }

    /// What ended processes left: whoever works on such a folder holds the lock.
    fn remove_unfinished(&self) {
        for folder in self.folders() {
            if is_unfinished(&folder) {
                discard_folder(&folder);
            }
        }
    }

    /// Packages of other versions that no process uses.
    fn remove_others(&self) {
        let current = self.folder();
        for folder in self.folders() {
            if folder == current || !folder.join(MARKER).is_file() {
                continue;
            }
            let marker = File::open(folder.join(MARKER));
            if marker.is_ok_and(|marker| marker.try_lock().is_ok()) {
                match set_aside(&folder) {
                    Ok(Some(aside)) => discard_folder(&aside),
                    Ok(None) => {}
                    Err(why) => tracing::warn!(%why, folder = %folder.display(), "old tools stay"),
                }
            }
        }
    }

    fn folders(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.root).into_iter().flatten();
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        paths.filter(|path| path.is_dir()).collect()
    }
}

/// Whether the tools of this version are installed below the data folder.
#[must_use]
pub fn is_installed(data_dir: &Path) -> bool {
    let folder = tools_dir(data_dir).join(scripts::packages_name());
    folder.join(MARKER).is_file()
}

/// Where all versions of the tools lie.
pub(super) fn tools_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("tools")
}

/// Holds the packages in a folder, if it has some.
fn hold(folder: &Path) -> Option<File> {
    let path = folder.join(MARKER);
    let marker = File::open(&path).ok()?;
    marker.lock_shared().ok()?;
    // Its remover may have renamed the folder between the two calls.
    path.is_file().then_some(marker)
}

/// A folder that npm works in; removed if it is not finished.
struct Unfinished(PathBuf);

impl Unfinished {
    fn make(root: &Path) -> std::io::Result<Self> {
        let name = format!("{}{}", UNFINISHED[0], uuid::Uuid::now_v7());
        let folder = root.join(name);
        make_private_dir(&folder)?;
        let unfinished = Self(folder);
        std::fs::write(unfinished.0.join("package.json"), scripts::PACKAGE)?;
        std::fs::write(unfinished.0.join("package-lock.json"), scripts::LOCK)?;
        Ok(unfinished)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // A finished one has another name now.
        discard_folder(&self.0);
    }
}

/// Gives finished packages their name, once all of them are on the disk.
fn finish(fresh: &Path, folder: &Path, node: &Node) -> std::io::Result<()> {
    let [major, minor, patch] = node.version;
    let marker = json!({ "node": format!("{major}.{minor}.{patch}") });
    let file = fresh.join(MARKER);
    std::fs::write(&file, format!("{marker}\n"))?;
    sync_all(&file)?;
    let half = set_aside(folder)?;
    std::fs::rename(fresh, folder)?;
    if let Some(half) = half {
        discard_folder(&half);
    }
    Ok(())
}

/// Everything that was written to the file system of `file` is on the disk afterwards.
fn sync_all(file: &Path) -> std::io::Result<()> {
    let file = File::open(file)?;
    #[cfg(target_os = "linux")]
    nix::unistd::syncfs(&file)?;
    file.sync_all()
}

/// Renames a folder so that it is removed later; `None` if there is none.
fn set_aside(folder: &Path) -> std::io::Result<Option<PathBuf>> {
    let name = format!("{}{}", UNFINISHED[1], uuid::Uuid::now_v7());
    let aside = folder.with_file_name(name);
    match std::fs::rename(folder, &aside) {
        Ok(()) => Ok(Some(aside)),
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(why),
    }
}

fn is_unfinished(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    UNFINISHED.iter().any(|prefix| name.starts_with(prefix))
}

fn discard_folder(folder: &Path) {
    if let Err(why) = scripts::remove(folder) {
        tracing::warn!(%why, folder = %folder.display(), "a folder of old tools stays until the next installation");
    }
}

fn open_private(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    options.open(path)
}
