//! Where a program may work: a folder below one of the configured roots, as the kernel names it, so that neither `..` nor
//! a symbolic link leads out.

use std::path::{Path, PathBuf};

/// Why a program cannot work in a folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The path leads nowhere, or may not be followed.
    #[error("cannot be used: {0}")]
    Unusable(std::io::Error),
    /// The path leads to something else.
    #[error("is not a folder")]
    NotFolder,
    /// The folder lies below none of the roots.
    #[error("is outside of the roots")]
    Outside,
}

/// The folder as the kernel names it: absolute, without `..` or symbolic links.
///
/// # Errors
/// If there is no such folder.
pub fn canonical(folder: &Path) -> Result<PathBuf, FolderError> {
    let whole = folder.canonicalize().map_err(FolderError::Unusable)?;
    if whole.is_dir() {
        Ok(whole)
    } else {
        Err(FolderError::NotFolder)
    }
}

/// The folder as the kernel names it, if it is one of the roots or lies below one. `roots` must be canonical.
///
/// # Errors
/// If there is no such folder, or it lies outside.
pub fn confine(roots: &[PathBuf], folder: &Path) -> Result<PathBuf, FolderError> {
    let whole = folder.canonicalize().map_err(FolderError::Unusable)?;
    // Outside of the roots nothing is said about what is there.
    if !roots.iter().any(|root| whole.starts_with(root)) {
        return Err(FolderError::Outside);
    }
    canonical(&whole)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_path_leads_out_of_the_roots() {
        let outside = tempfile::tempdir().unwrap();
        let inside = tempfile::tempdir().unwrap();
        let root = inside.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("file"), "").unwrap();
        symlink(outside.path(), root.join("out")).unwrap();
        symlink(root.join("a"), root.join("in")).unwrap();
        let roots = [root.clone()];
        let go = |path: &str| confine(&roots, &root.join("a").join(path));
        assert_eq!(go("").unwrap(), root.join("a"));
        assert_eq!(go("../in/b").unwrap(), root.join("a/b"));
        assert_eq!(go("..").unwrap(), root);
        let elsewhere = outside.path().to_str().unwrap();
        for outside in ["../..", "../out", "/", "/dev/null", elsewhere] {
            assert!(
                matches!(go(outside), Err(FolderError::Outside)),
                "{outside}"
            );
        }
        assert!(matches!(go("../file"), Err(FolderError::NotFolder)));
        assert!(matches!(go("no-such"), Err(FolderError::Unusable(_))));
    }
}
