//! Opening files that somebody else may have put there: no link is followed, nothing is waited for, and the file that was
//! opened is judged, not its name.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::statvfs::{FsFlags, fstatvfs};

use super::trust::is_own_user;

const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why a file that the configuration names is not read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system refuses.
    #[error(transparent)]
    Io(#[from] Error),
    /// A pipe, a device or a folder.
    #[error("it is not a regular file")]
    NoFile,
    /// No file of its kind is that large.
    #[error("it has more than {0} bytes")]
    TooLarge(u64),
    /// Its owner could change it at any time.
    #[error(
        "it belongs to the user with uid {0}, neither to you nor to root; run `chown` or copy it"
    )]
    Owner(u32),
}

/// Opens a file of the data folder as `options` say. No link is followed, and a pipe or a device is not waited for.
///
/// # Errors
/// If it cannot be opened; if it is a link or no file, belongs to another user, or others can write it.
pub fn open_own(path: &Path, options: &mut OpenOptions) -> Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let opened = options.custom_flags(flags.bits()).open(path);
    let refuse = |what: String| {
        let text = format!("{} {what}", path.display());
        Error::new(ErrorKind::PermissionDenied, text)
    };
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(code) if code == Errno::ELOOP as i32 => {
            refuse("is a link, and none is followed".into())
        }
        Some(code) if code == Errno::ENXIO as i32 => refuse("is not a regular file".into()),
        _ => error,
    })?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(refuse("is not a regular file".into()));
    }
    if !is_own_user(meta.uid()) {
        return Err(refuse(format!(
            "belongs to the user with uid {}",
            meta.uid()
        )));
    }
    if meta.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(refuse(
            "can be written by others: run `chmod go-w` on it".into(),
        ));
    }
    Ok(file)
}

/// Reads a file that the configuration names and on which the safety of the process depends, with what the kernel says of
/// the very file that was read. Links are followed: mounts of secrets consist of them.
///
/// # Errors
/// If it cannot be read, is no file, is larger than `max_bytes`, or belongs neither to this user nor to root. On a file
/// system that is mounted to be read only the owner does not count: only who mounted it chose what is there.
pub fn read_config_file(
    path: &Path,
    max_bytes: u64,
) -> std::result::Result<(Vec<u8>, std::fs::Metadata), OpenError> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(OpenError::NoFile);
    }
    if meta.len() > max_bytes {
        return Err(OpenError::TooLarge(max_bytes));
    }
    let is_read_only = || fstatvfs(&file).is_ok_and(|it| it.flags().contains(FsFlags::ST_RDONLY));
    if !is_own_user(meta.uid()) && !is_read_only() {
        return Err(OpenError::Owner(meta.uid()));
    }
    let mut content = Vec::new();
    (&file).take(max_bytes + 1).read_to_end(&mut content)?;
    if content.len() as u64 > max_bytes {
        return Err(OpenError::TooLarge(max_bytes));
    }
    Ok((content, meta))
}
