//! The rules: whom a folder or file may belong to, and who may write it. Values in, decisions out.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User, geteuid};

use super::untrusted::Untrusted;

const ROOT: u32 = 0;
const WRITABLE_BY_GROUP: u32 = 0o020;
pub(super) const WRITABLE_BY_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;
const OF_OWNER: u32 = 0o700;

/// What the kernel says of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) owner: u32,
    pub(super) group: u32,
    pub(super) mode: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File,
    Socket,
    Link,
    /// A pipe or a device.
    Other,
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Above the data folder or a file that was named.
    Parent,
    /// The data folder itself.
    DataFolder,
    /// In the data folder.
    Content,
}

/// This user, as far as the rules know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Me {
    pub(super) uid: u32,
    /// A group that has no other member, as many systems make for each user, with 0775 for new folders.
    pub(super) own_group: Option<u32>,
    /// Whoever owns `/` can replace everything. It is root, but for a process in a user namespace that does not know root.
    pub(super) owner_of_all: u32,
}

impl Entry {
    pub(super) fn of(meta: &Metadata) -> Self {
        let kind = meta.file_type();
        Self {
            kind: match () {
                () if kind.is_symlink() => Kind::Link,
                () if kind.is_dir() => Kind::Folder,
                () if kind.is_file() => Kind::File,
                () if kind.is_socket() => Kind::Socket,
                () => Kind::Other,
            },
            owner: meta.uid(),
            group: meta.gid(),
            mode: meta.mode() & 0o7777,
        }
    }
}

impl Me {
    pub(super) fn current() -> Self {
        let uid = geteuid();
        Self {
            uid: uid.as_raw(),
            own_group: own_group(uid),
            owner_of_all: std::fs::metadata("/").map_or(ROOT, |root| root.uid()),
        }
    }

    pub(super) fn trusts(&self, owner: u32) -> bool {
        owner == self.uid || owner == ROOT
    }
}

/// Whether a process of this user may be given what is this user's: it is this user's or root's.
#[must_use]
pub fn is_own_user(uid: u32) -> bool {
    uid == geteuid().as_raw() || uid == ROOT
}

/// The group that is named like the user and has no other member. Root's is none: it is given to others by hand.
fn own_group(uid: Uid) -> Option<u32> {
    if uid.is_root() {
        return None;
    }
    let user = User::from_uid(uid).ok()??;
    let group = Group::from_gid(Gid::from_raw(user.gid.as_raw())).ok()??;
    let is_own = group.name == user.name && group.mem.iter().all(|member| *member == user.name);
    is_own.then(|| group.gid.as_raw())
}

/// Whether what stands there can be changed by nobody but this user and root.
pub(super) fn judge(path: &Path, entry: &Entry, reach: Reach, me: &Me) -> Result<(), Untrusted> {
    let path = || path.to_path_buf();
    let above = reach == Reach::Parent && entry.owner == me.owner_of_all;
    if !me.trusts(entry.owner) && !above {
        let owner = entry.owner;
        return Err(Untrusted::Owner {
            path: path(),
            owner,
        });
    }
    // The permissions of a link mean nothing, and those of a file only who may use it.
    if entry.kind != Kind::Folder || reach == Reach::Content {
        return Ok(());
    }
    if is_writable_by_others(entry, reach, me) {
        return Err(match reach {
            Reach::Parent => Untrusted::writable(&path(), entry.mode),
            _ => Untrusted::writable_below(&path(), entry.mode, &path()),
        });
    }
    let is_closed = me.uid != ROOT && entry.owner == me.uid && entry.mode & OF_OWNER != OF_OWNER;
    if reach == Reach::DataFolder && is_closed {
        let mode = entry.mode;
        return Err(Untrusted::Closed { path: path(), mode });
    }
    Ok(())
}

fn is_writable_by_others(entry: &Entry, reach: Reach, me: &Me) -> bool {
    let by_others = entry.mode & WRITABLE_BY_OTHERS;
    match reach {
        // In a sticky folder only its owner replaces an entry, and the owner of the entry is judged, too.
        Reach::Parent if entry.mode & STICKY != 0 => false,
        Reach::Parent if by_others == WRITABLE_BY_GROUP => me.own_group != Some(entry.group),
        _ => by_others != 0,
    }
}

/// Whether something of this kind may lie in the folder at all.
pub(super) fn judge_kind(path: &Path, entry: &Entry) -> Result<(), Untrusted> {
    match entry.kind {
        Kind::Link => Err(Untrusted::Link(path.to_path_buf())),
        Kind::Other => Err(Untrusted::Kind(path.to_path_buf())),
        Kind::Folder | Kind::File | Kind::Socket => Ok(()),
    }
}
