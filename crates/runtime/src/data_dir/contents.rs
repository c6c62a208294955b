//! What lies deeper in the data folder: Redis's files, which are jobs that run as this user, the records of process groups,
//! which are killed, and artifacts.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::sharing::Sharing;
use super::trust::{self, Entry, Kind, Me, Reach, WRITABLE_BY_OTHERS};
use super::untrusted::Untrusted;

/// A start looks at no more. The folders of Redis and of groups hold some dozens.
const MAX_ENTRIES: usize = 10_000;
/// Looked at to the bottom.
const WHOLE: [&str; 2] = ["redis", "worker"];
/// One level of it is looked at, and last: output may fill it.
const FLAT: &str = "artifacts";
/// Others get to what lies in the folder.
const PASSABLE: u32 = 0o011;

/// How much was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Files and folders.
    pub entries: usize,
    /// The folder in which the look ended early.
    pub ended_in: Option<PathBuf>,
}

/// A folder to look into.
struct Folder {
    path: PathBuf,
    is_passable: bool,
    depth: Depth,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    DataFolder,
    Whole,
    Last,
}

/// Looks at what Redis and workers keep in the data folder, level by level, and at the modes of what lies in the folder
/// itself; for a folder that [`super::admit`] lets in. It costs a call of the kernel for each entry.
///
/// # Errors
/// With the first thing that somebody else may have put there or could change, and the way out.
pub fn admit_contents(folder: &Path, sharing: Sharing) -> Result<Coverage, Untrusted> {
    let Ok(meta) = folder.metadata() else {
        return Ok(Coverage::default());
    };
    let look = Look {
        data_dir: folder,
        sharing,
        me: Me::current(),
    };
    look.at_all(Folder {
        path: folder.to_path_buf(),
        is_passable: Entry::of(&meta).mode & PASSABLE != 0,
        depth: Depth::DataFolder,
    })
}

struct Look<'a> {
    data_dir: &'a Path,
    sharing: Sharing,
    me: Me,
}

impl Look<'_> {
    fn at_all(&self, first: Folder) -> Result<Coverage, Untrusted> {
        let (mut ahead, mut last) = (VecDeque::from([first]), None);
        let mut coverage = Coverage::default();
        while let Some(folder) = ahead.pop_front().or_else(|| last.take()) {
            // What this user cannot read, its programs cannot either.
            let Ok(entries) = std::fs::read_dir(&folder.path) else {
                continue;
            };
            for found in entries.filter_map(Result::ok) {
                if coverage.entries == MAX_ENTRIES {
                    coverage.ended_in = Some(folder.path);
                    return Ok(coverage);
                }
                coverage.entries += 1;
                // Redis may have removed it meanwhile.
                let Ok(meta) = found.metadata() else { continue };
                let (path, entry) = (found.path(), Entry::of(&meta));
                self.judge(&path, &entry, &folder)?;
                match below(&folder, path, &entry) {
                    Some(next) if next.depth == Depth::Last => last = Some(next),
                    next => ahead.extend(next),
                }
            }
        }
        Ok(coverage)
    }

    fn judge(&self, path: &Path, entry: &Entry, within: &Folder) -> Result<(), Untrusted> {
        trust::judge_kind(path, entry)?;
        if self.sharing == Sharing::Shared {
            return Ok(());
        }
        trust::judge(path, entry, Reach::Content, &self.me)?;
        let counts = match entry.kind {
            Kind::Folder => true,
            Kind::File => within.is_passable,
            // Who connects is asked for who it is.
            _ => false,
        };
        if counts && entry.mode & WRITABLE_BY_OTHERS != 0 {
            return Err(Untrusted::writable_below(path, entry.mode, self.data_dir));
        }
        Ok(())
    }
}

/// The folder to look into, if it is one.
fn below(within: &Folder, path: PathBuf, entry: &Entry) -> Option<Folder> {
    let is_named = |name: &str| path.file_name().is_some_and(|it| it == name);
    let depth = match within.depth {
        _ if entry.kind != Kind::Folder => return None,
        Depth::Whole => Depth::Whole,
        Depth::DataFolder if WHOLE.into_iter().any(is_named) => Depth::Whole,
        Depth::DataFolder if is_named(FLAT) => Depth::Last,
        Depth::DataFolder | Depth::Last => return None,
    };
    Some(Folder {
        path,
        is_passable: within.is_passable && entry.mode & PASSABLE != 0,
        depth,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// A data folder as a stack leaves it.
    fn data_dir(mode: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["redis/appendonlydir", "worker/groups", "artifacts/deeper"] {
            std::fs::create_dir_all(at(name)).unwrap();
            set_mode(&at(name), 0o755);
            set_mode(at(name).parent().unwrap(), 0o755);
        }
        for name in [
            "redis/appendonlydir/part",
            "worker/groups/7",
            "artifacts/x",
            "stack.lock",
        ] {
            std::fs::write(at(name), "").unwrap();
            set_mode(&at(name), 0o600);
        }
        set_mode(folder.path(), mode);
        folder
    }

    const FOLDERS: [&str; 5] = [
        "redis",
        "redis/appendonlydir",
        "worker",
        "worker/groups",
        "artifacts",
    ];

    #[test]
    fn a_folder_below_that_others_can_write_is_refused_and_one_command_mends_all() {
        let folder = data_dir(0o700);
        let admitted = || admit_contents(folder.path(), Sharing::Private);
        assert_eq!(
            admitted().unwrap(),
            Coverage {
                entries: 10,
                ended_in: None
            }
        );
        for name in FOLDERS {
            for mode in [0o777, 0o1777, 0o775] {
                set_mode(&folder.path().join(name), mode);
                let why = admitted().unwrap_err().to_string();
                let remedy = format!("`chmod -R go-w {}`", folder.path().display());
                assert!(why.contains(&remedy), "{name}: {why}");
                admit_contents(folder.path(), Sharing::Shared).unwrap();
            }
            set_mode(&folder.path().join(name), 0o700);
        }
    }

    #[test]
    fn a_file_that_others_can_write_is_refused_where_they_get_to_it() {
        for name in ["redis/appendonlydir/part", "artifacts/x", "stack.lock"] {
            for (mode, is_refused) in [(0o700, false), (0o755, true)] {
                let folder = data_dir(mode);
                set_mode(&folder.path().join(name), 0o666);
                let found = admit_contents(folder.path(), Sharing::Private);
                assert_eq!(
                    found.is_err(),
                    is_refused,
                    "{name} below {mode:o}: {found:?}"
                );
            }
        }
    }

    #[test]
    fn a_link_a_pipe_and_what_is_another_users_are_refused_at_each_level() {
        let folder = data_dir(0o700);
        for name in FOLDERS {
            let planted = folder.path().join(name).join("planted");
            for sharing in [Sharing::Private, Sharing::Shared] {
                symlink("/etc", &planted).unwrap();
                let found = admit_contents(folder.path(), sharing);
                assert!(matches!(found, Err(Untrusted::Link(_))), "{found:?}");
                std::fs::remove_file(&planted).unwrap();
                mkfifo(&planted, Mode::S_IRWXU).unwrap();
                let found = admit_contents(folder.path(), sharing);
                assert!(matches!(found, Err(Untrusted::Kind(_))), "{found:?}");
                std::fs::remove_file(&planted).unwrap();
            }
            std::fs::write(&planted, "").unwrap();
            // Only root can give a file away.
            if chown(&planted, Some(65_534), None).is_ok() {
                let found = admit_contents(folder.path(), Sharing::Private);
                assert!(matches!(found, Err(Untrusted::Owner { .. })), "{found:?}");
                admit_contents(folder.path(), Sharing::Shared).unwrap();
            }
            std::fs::remove_file(&planted).unwrap();
        }
    }

    #[test]
    fn many_artifacts_end_the_look_and_hide_nothing_of_redis() {
        let folder = data_dir(0o700);
        let artifacts = folder.path().join("artifacts");
        for number in 0..MAX_ENTRIES {
            std::fs::File::create(artifacts.join(number.to_string())).unwrap();
        }
        let found = admit_contents(folder.path(), Sharing::Private).unwrap();
        assert_eq!(found.ended_in, Some(artifacts));
        symlink("/etc", folder.path().join("redis/appendonlydir/planted")).unwrap();
        assert!(admit_contents(folder.path(), Sharing::Private).is_err());
    }
}
