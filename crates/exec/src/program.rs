//! Where a program is found, and which variables of this process it may see.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// What every program sees of this process's environment.
const INHERITED: [&str; 4] = ["PATH", "HOME", "LANG", "TERM"];
/// The `PATH` of a process that has none.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The file that a configured program is: itself if its path is absolute, else the first of its name on `PATH`.
///
/// # Errors
/// With what is wrong with it.
pub fn find_program(name: &Path) -> Result<PathBuf, String> {
    if name.is_absolute() {
        return executable(name).map(|()| name.to_path_buf());
    }
    std::env::split_paths(&inherited("PATH").unwrap_or_default())
        .map(|folder| folder.join(name))
        .find(|file| executable(file).is_ok())
        .ok_or_else(|| format!("{} is not on PATH", name.display()))
}

/// The variables a program gets from this process: the usual ones and those named in `more`, as far as they are set.
pub fn inherited_env<'a>(
    more: impl IntoIterator<Item = &'a str>,
) -> impl Iterator<Item = (OsString, OsString)> {
    let names = INHERITED.into_iter().chain(more);
    names.filter_map(|name| Some((name.into(), inherited(name)?)))
}

fn executable(file: &Path) -> Result<(), String> {
    let wrong = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let meta = file.metadata().map_err(|why| wrong(&why))?;
    if !meta.is_file() {
        return Err(wrong(&"is not a file"));
    }
    access(file.as_os_str().as_bytes(), AccessFlags::X_OK).map_err(|_| wrong(&"is not executable"))
}

fn inherited(name: &str) -> Option<OsString> {
    std::env::var_os(name).or_else(|| (name == "PATH").then(|| USUAL_PATH.into()))
}
