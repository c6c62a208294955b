//! Why a folder is not entered, and what ends that.

use std::path::{Path, PathBuf};

/// Why a folder is not entered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// Its owner could change it at any time.
    #[error(
        "{path} belongs to the user with uid {owner}, and SHIM enters only what is yours or root's: take a folder of your own"
    )]
    Owner {
        /// What was looked at.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Others could put files there, or replace some.
    #[error(
        "others than its owner can write {path} (mode {mode:o}): run `{remedy}`, or take another folder"
    )]
    Writable {
        /// What was looked at.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// The command that mends it.
        remedy: String,
    },
    /// The owner's own rights are gone, as under a umask that takes them.
    #[error("its owner cannot use {path} (mode {mode:o}): run `chmod u+rwx {path}`")]
    Closed {
        /// What was looked at.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A link in the data folder would lead what is written elsewhere.
    #[error(
        "{0} is a link, and SHIM follows none in its data folder: put the file itself there, or remove the link"
    )]
    Link(PathBuf),
    /// Opening it could wait for ever.
    #[error("{0} is neither a file nor a folder nor a socket: remove it")]
    Kind(PathBuf),
    /// A file stands there.
    #[error("{0} is not a folder: move it away, or take another one")]
    NoFolder(PathBuf),
    /// Links that lead to each other.
    #[error("{0} leads through more than 40 links: name the folder itself")]
    Loop(PathBuf),
}

impl Untrusted {
    /// A folder above the data folder: what else lies in it is not SHIM's.
    pub(super) fn writable(path: &Path, mode: u32) -> Self {
        Self::Writable {
            path: path.to_path_buf(),
            mode,
            remedy: format!("chmod go-w {}", path.display()),
        }
    }

    /// The data folder or something in it. Where one thing is open the others often are, and one command mends them all.
    pub(super) fn writable_below(path: &Path, mode: u32, data_dir: &Path) -> Self {
        Self::Writable {
            path: path.to_path_buf(),
            mode,
            remedy: format!("chmod -R go-w {}", data_dir.display()),
        }
    }
}
