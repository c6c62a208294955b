//! Paths as they are typed.

use std::path::{Path, PathBuf};

use crate::error::CliError;

/// A path as typed, absolute: the service has another working folder.
///
/// # Errors
/// If it is not UTF-8, which the contract cannot carry.
pub(crate) fn absolute_path(typed: &Path) -> Result<String, CliError> {
    let path = std::path::absolute(typed)?;
    let path = path.into_os_string().into_string().map_err(|path| {
        CliError::usage(format!(
            "the path {} is not UTF-8",
            PathBuf::from(path).display()
        ))
        .hint("rename the folder, or name it through a link whose name is UTF-8")
    })?;
    Ok(path)
}
