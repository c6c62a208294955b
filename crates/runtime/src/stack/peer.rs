//! Who is behind a socket or a lock of the data folder, as the kernel says it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tokio::net::UnixStream;

use crate::data_dir::is_own_user;

/// The process that listens on a Unix socket (`SO_PEERCRED`; on macOS `getpeereid` and `LOCAL_PEERPID`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// Its pid; unset where the system does not tell it, or not to this process.
    pub pid: Option<u32>,
}

impl Peer {
    /// Of a connection.
    ///
    /// # Errors
    /// If the system does not know it.
    pub fn of(stream: &UnixStream) -> std::io::Result<Self> {
        let credentials = stream.peer_cred()?;
        let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok());
        Ok(Self {
            uid: credentials.uid(),
            pid: pid.filter(|pid| *pid != 0),
        })
    }

    /// Of whoever listens on the socket at `path` now. Nothing is sent there.
    ///
    /// # Errors
    /// If nobody listens.
    pub async fn at(path: &Path) -> std::io::Result<Self> {
        Self::of(&UnixStream::connect(path).await?)
    }

    /// Whether it may be given what is this user's.
    #[must_use]
    pub fn is_own(&self) -> bool {
        is_own_user(self.uid)
    }
}

/// The process that took the lock of a file, as `/proc/locks` (proc(5)) has it; `None` if nobody has, or elsewhere than
/// on Linux.
#[must_use]
pub fn lock_holder(path: &Path) -> Option<u32> {
    let inode = std::fs::symlink_metadata(path).ok()?.ino().to_string();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| holder_in(line, &inode))
}

/// A line is such as `1: FLOCK  ADVISORY  WRITE 4711 fd:01:1234 0 EOF`. Some file systems have another device there
/// than stat(2) says, so the inode decides alone.
fn holder_in(line: &str, inode: &str) -> Option<u32> {
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    let [_, "FLOCK", _, "WRITE", pid, file, ..] = words[..] else {
        return None;
    };
    (file.rsplit(':').next()? == inode).then(|| pid.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_holder_counts_and_none_that_waits() {
        let holds = "1: FLOCK  ADVISORY  WRITE 4711 fd:01:1234 0 EOF";
        assert_eq!(holder_in(holds, "1234"), Some(4_711));
        for other in [
            "1: FLOCK  ADVISORY  WRITE 4711 fd:01:12345 0 EOF",
            "1: -> FLOCK  ADVISORY  WRITE 4711 fd:01:1234 0 EOF",
            "1: POSIX  ADVISORY  WRITE 4711 fd:01:1234 0 EOF",
            "1: FLOCK  ADVISORY  READ 4711 fd:01:1234 0 EOF",
            "1: FLOCK  ADVISORY  WRITE -1 fd:01:1234 0 EOF",
            "",
        ] {
            assert_eq!(holder_in(other, "1234"), None, "{other}");
        }
    }
}
