//! Folders in the configuration, as the kernel names them.

use std::path::{Path, PathBuf};

use shim_exec::canonical;
use shim_runtime::config::Settings;

/// The folders that programs may work in (`worker.roots`).
pub(super) fn roots(settings: &mut Settings) -> Vec<PathBuf> {
    let named: Vec<PathBuf> = settings.get_list("worker.roots").unwrap_or_default();
    let mut roots = Vec::with_capacity(named.len());
    for root in named {
        match folder(&root) {
            Ok(root) => roots.push(root),
            Err(why) => settings.refuse(format!("worker.roots: {} {why}", root.display())),
        }
    }
    roots
}

/// The folder as the kernel names it, or what is wrong with it.
pub(super) fn folder(path: &Path) -> Result<PathBuf, String> {
    if !path.is_absolute() {
        return Err("must be an absolute path".to_owned());
    }
    canonical(path).map_err(|why| why.to_string())
}
