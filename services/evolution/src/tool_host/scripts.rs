//! What the program carries of the tools: the manifests that npm installs from, and the scripts of the host.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use shim_runtime::stack::make_private_dir;

include!(concat!(env!("OUT_DIR"), "/scripts.rs"));

/// The packages, as npm reads them.
pub(super) const PACKAGE: &str = include_str!("../../tools/package.json");
/// Their exact versions with digests, as npm reads them.
pub(super) const LOCK: &str = include_str!("../../tools/package-lock.json");

/// Hex digits of a folder's name.
const NAME_DIGITS: usize = 16;

/// The name of the folder of these very packages.
pub(super) fn packages_name() -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(PACKAGE.as_bytes()).update(LOCK.as_bytes());
    short(&hash)
}

/// The packages of the lock file that are placed on every platform, by their names in `node_modules`.
pub(super) fn expected_packages() -> Vec<String> {
    let lock: Value = serde_json::from_str(LOCK).unwrap_or_default();
    let packages = lock["packages"].as_object().cloned().unwrap_or_default();
    let placed = packages.into_iter().filter_map(|(path, package)| {
        let name = path.strip_prefix("node_modules/")?.to_owned();
        let is_everywhere = package["optional"] != json!(true) && package["dev"] != json!(true);
        (is_everywhere && !name.contains("node_modules/")).then_some(name)
    });
    placed.collect()
}

/// The name of the folder of these very scripts.
fn scripts_name() -> String {
    let mut hash = blake3::Hasher::new();
    for (name, content) in SCRIPTS {
        let lengths = [name.len() as u64, content.len() as u64];
        for length in lengths {
            hash.update(&length.to_le_bytes());
        }
        hash.update(name.as_bytes()).update(content);
    }
    format!("scripts-{}", short(&hash))
}

fn short(hash: &blake3::Hasher) -> String {
    hash.finalize().to_hex()[..NAME_DIGITS].to_owned()
}

/// The folder of the scripts below the folder of the packages, so that Node finds those from there. Its files are written if
/// they are not as they should be.
pub(super) fn place(packages: &Path) -> std::io::Result<PathBuf> {
    let folder = packages.join(scripts_name());
    if is_whole(&folder) {
        return Ok(folder);
    }
    let fresh = packages.join(format!("{}.{}", scripts_name(), std::process::id()));
    remove(&fresh)?;
    for (name, content) in SCRIPTS {
        let path = fresh.join(name);
        make_private_dir(path.parent().unwrap_or(&fresh))?;
        std::fs::write(path, content)?;
    }
    remove(&folder)?;
    match std::fs::rename(&fresh, &folder) {
        // Another process was faster.
        Err(_) if is_whole(&folder) => remove(&fresh)?,
        placed => placed?,
    }
    Ok(folder)
}

fn is_whole(folder: &Path) -> bool {
    let is_same = |(name, content): &(&str, &[u8])| {
        std::fs::read(folder.join(name)).is_ok_and(|there| there == *content)
    };
    SCRIPTS.iter().all(is_same)
}

/// Removes a folder, if there is one.
pub(super) fn remove(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_placed_once_and_mended() {
        let packages = tempfile::tempdir().unwrap();
        let folder = place(packages.path()).unwrap();
        let host = folder.join("host.js");
        let written = host.metadata().unwrap().modified().unwrap();
        assert_eq!(place(packages.path()).unwrap(), folder);
        assert_eq!(host.metadata().unwrap().modified().unwrap(), written);
        std::fs::write(&host, "process.exit()").unwrap();
        assert_eq!(place(packages.path()).unwrap(), folder);
        assert!(is_whole(&folder));
        assert_eq!(packages.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn no_installed_package_is_carried() {
        assert!(SCRIPTS.iter().any(|(name, _)| *name == "methods/ping.js"));
        let is_installed = |(name, _): &(&str, &[u8])| name.contains("node_modules");
        assert!(!SCRIPTS.iter().any(is_installed));
        assert_eq!(packages_name().len(), NAME_DIGITS);
    }
}
