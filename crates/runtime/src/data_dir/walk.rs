//! The way to a path, folder by folder and link by link, as the kernel goes it.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use super::trust::{Entry, Kind, Me, Reach, judge};
use super::untrusted::Untrusted;

/// As many as Linux follows (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Looks at all that leads to `path` and returns what stands at its end, links followed; `None` if nothing does, or
/// this user may not look at it.
pub(super) fn check(path: &Path, me: &Me) -> Result<Option<Entry>, Untrusted> {
    // It fails for an empty path alone.
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut ahead = names(&whole);
    let mut at = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = ahead.pop() {
        if name == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&name);
        let Some(entry) = look(&next) else {
            return Ok(None);
        };
        if entry.kind == Kind::Link {
            judge(&next, &entry, Reach::Parent, me)?;
            links += 1;
            let Ok(target) = std::fs::read_link(&next) else {
                return Ok(None);
            };
            if links > MAX_LINKS {
                return Err(Untrusted::Loop(whole));
            }
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            ahead.extend(names(&target));
            continue;
        }
        if !ahead.is_empty() {
            if entry.kind != Kind::Folder {
                return Err(Untrusted::NoFolder(next));
            }
            judge(&next, &entry, Reach::Parent, me)?;
        }
        at = next;
    }
    Ok(look(&at))
}

/// Looks at the folders and links that lead to a file that was named.
///
/// # Errors
/// If somebody else could replace it.
pub(crate) fn check_parents(path: &Path) -> Result<(), Untrusted> {
    check(path, &Me::current()).map(|_| ())
}

/// The names of a path, the first one at the end.
fn names(path: &Path) -> Vec<OsString> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    let mut names: Vec<_> = parts.collect();
    names.reverse();
    names
}

fn look(path: &Path) -> Option<Entry> {
    match path.symlink_metadata() {
        Ok(meta) => Some(Entry::of(&meta)),
        Err(error) => {
            if !matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied
            ) {
                tracing::debug!("{} cannot be looked at: {error}", path.display());
            }
            None
        }
    }
}
