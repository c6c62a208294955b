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

const DEV_NULL: &str = "/dev/null";
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
    /// It is no text.
    #[error("it is not UTF-8")]
    Encoding,
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
        let folder = path.parent().unwrap_or(path).display();
        return Err(refuse(format!(
            "can be written by others: run `chmod -R go-w {folder}`"
        )));
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
    Ok((read_bounded(&file, max_bytes)?, meta))
}

/// Opens a file that somebody named, whoever's it is. A pipe is not waited for and a device not read, but what this process
/// was started with is: `/dev/stdin`, `/dev/fd/63` of a shell's `<(...)`, and `/dev/null`.
///
/// # Errors
/// If it cannot be opened, or is no file.
pub fn open_named(path: &Path) -> std::result::Result<File, OpenError> {
    if [DEV_NULL, "/dev/stdin"].map(Path::new).contains(&path) || path.starts_with("/dev/fd") {
        return Ok(File::open(path)?);
    }
    let flags = OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(flags.bits()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(OpenError::NoFile);
    }
    Ok(file)
}

/// Reads the text of a file that somebody named, as [`open_named`] opens it.
///
/// # Errors
/// If it cannot be read, is no file, is larger than `max_bytes`, or is no text.
pub fn read_named(path: &Path, max_bytes: u64) -> std::result::Result<String, OpenError> {
    let content = read_bounded(open_named(path)?, max_bytes)?;
    String::from_utf8(content).map_err(|_| OpenError::Encoding)
}

/// Reads to the end, and no more than a byte beyond `max_bytes`.
///
/// # Errors
/// If reading fails, or there is more.
pub fn read_bounded(from: impl Read, max_bytes: u64) -> std::result::Result<Vec<u8>, OpenError> {
    let mut content = Vec::new();
    from.take(max_bytes + 1).read_to_end(&mut content)?;
    if content.len() as u64 > max_bytes {
        return Err(OpenError::TooLarge(max_bytes));
    }
    Ok(content)
}
