//! Where this program is, as others may keep it: a path that still leads to it after an upgrade.

use std::path::{Path, PathBuf};

use shim_runtime::process::own_program;

use crate::global_flags::absolute;

/// The path of this program, through a link if one leads to it: behind it lies the folder of one version.
///
/// # Errors
/// If the system does not tell.
pub(crate) fn program_path() -> std::io::Result<PathBuf> {
    Ok(stable_path(&candidates(), &own_program()?))
}

/// The paths under which this program may be found: as it was called, and in each folder of `PATH`.
fn candidates() -> Vec<PathBuf> {
    let called = std::env::args_os()
        .next()
        .map(PathBuf::from)
        .unwrap_or_default();
    let name = called
        .file_name()
        .map_or_else(|| "shim".into(), PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    let in_path = folders.map(|folder| folder.join(&name));
    // A call without a slash was looked up in PATH.
    let as_called = (called.components().count() > 1).then(|| absolute(&called));
    as_called.into_iter().chain(in_path).collect()
}

/// The path to write for the program `own`: one that leads to it through a link, if there is one. The link stays when the
/// next version lies elsewhere.
fn stable_path(candidates: &[PathBuf], own: &Path) -> PathBuf {
    let whole = own.canonicalize().unwrap_or_else(|_| own.to_path_buf());
    let leads_there = |path: &&PathBuf| path.canonicalize().is_ok_and(|found| found == whole);
    let through_link = |path: &&PathBuf| **path != whole;
    let mut stable = candidates.iter().filter(leads_there).filter(through_link);
    stable.next().cloned().unwrap_or_else(|| own.to_path_buf())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_path_written_is_the_one_that_stays() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        let path = |name: &str| home.join(name);
        std::fs::create_dir_all(path("versions/1.2/bin")).unwrap();
        std::fs::create_dir(path("bin")).unwrap();
        let own = path("versions/1.2/bin/shim");
        std::fs::write(&own, "").unwrap();
        std::fs::write(path("other"), "").unwrap();
        std::os::unix::fs::symlink("versions/1.2", path("current")).unwrap();
        std::os::unix::fs::symlink(&own, path("bin/shim")).unwrap();
        let (current, link) = (path("current/bin/shim"), path("bin/shim"));
        for (candidates, expected) in [
            (vec![], &own),
            (vec![path("other"), path("gone")], &own),
            (vec![own.clone()], &own),
            (vec![own.clone(), link.clone()], &link),
            (vec![path("other"), current.clone(), link.clone()], &current),
        ] {
            assert_eq!(&stable_path(&candidates, &own), expected, "{candidates:?}");
        }
    }
}
